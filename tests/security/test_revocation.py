"""A revoked key loses at once what it has open: event streams and waits, by key or by ticket."""

import asyncio
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
import redis
from fastapi import FastAPI
from fastapi.testclient import TestClient
from httpx import Response

from api.app import create_app
from core.access.api_keys import ApiKey, Keyring
from core.schema import Stage
from core.settings import Settings
from core.store.edits import EditStore
from core.store.events import BLOCK_SECONDS
from tests.security.tally import Tally
from tests.support.api_app import serving
from tests.support.waiting import PATIENCE, until

MakeKey = Callable[..., tuple[dict[str, str], ApiKey]]
Post = Callable[..., Response]

Waiting = Callable[[], int]
Requests = list[tuple[str, str, dict[str, Any]]]

MANY = 8  # of each kind, at once
SIGNED = re.compile(r"signature=|ticket=")


@pytest.fixture
def app(client: TestClient, settings: Settings) -> FastAPI:
    return create_app(settings.model_copy(update={"queue_limit": 1000}))


@pytest.fixture
def address(app: FastAPI, settings: Settings) -> Iterator[str]:
    with serving(settings, app=app) as address:
        yield address


@pytest.fixture
def waiting(app: FastAPI, redis_url: str) -> Iterator[Waiting]:
    """Return a function that counts the streams and waits, once some connection reads events."""
    with redis.Redis.from_url(redis_url, decode_responses=True) as raw:

        def count() -> int:
            is_reading = any(one["cmd"] == "xread" for one in raw.client_list())
            return app.state.services.shares.streams.in_use if is_reading else 0

        yield count


async def until_end(http: httpx.AsyncClient, method: str, url: str, **request: Any) -> Response:
    async with http.stream(method, url, **request) as answer:
        await answer.aread()
        return answer


async def opened(
    address: str, requests: Requests, waiting: Waiting, then: Callable[[], object]
) -> list[Response]:
    """Open every request, then do something, and return what each got until its end.

    Args:
        address: of the service.
        requests: method, path and arguments of each.
        waiting: counts the requests that wait for events.
        then: what to do once all of them wait.
    """
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(
        base_url=address, timeout=PATIENCE, trust_env=False, limits=limits
    ) as http:
        tasks = [
            asyncio.create_task(until_end(http, method, url, **request))
            for method, url, request in requests
        ]
        await asyncio.to_thread(until, lambda: waiting() == len(requests), "all of them to wait")
        await asyncio.to_thread(then)
        return list(await asyncio.gather(*tasks))


def test_what_a_revoked_key_has_open_ends_within_a_heartbeat(
    address: str,
    post: Post,
    make_key: MakeKey,
    keys: Keyring,
    make_image: Callable[..., bytes],
    waiting: Waiting,
    tally: Tally,
) -> None:
    ann, key = make_key("ann")
    ben, _ = make_key("ben")
    edit = post(headers=ann).json()
    kept = post(headers=ben).json()["id"]
    stream, look = f"/v1/edits/{edit['id']}/events", f"/v1/edits/{edit['id']}?wait=60"
    ticket = edit["urls"]["events"].removeprefix("http://testserver")
    body = {"data": {"prompt": "a cat"}, "files": {"image": make_image()}}
    waits = [
        *[("GET", look, {"headers": ann})] * MANY,
        *[("POST", "/v1/edits", {"headers": {**ann, "Prefer": "wait=60"}, **body})] * MANY,
    ]
    streams = [*[("GET", stream, {"headers": ann}), ("GET", ticket, {})] * MANY]
    others = [("GET", f"/v1/edits/{kept}?wait=20", {"headers": ben})]

    requests = [*waits, *streams, *others]
    answers = asyncio.run(opened(address, requests, waiting, lambda: keys.revoke(key.id)))
    for answer in answers[: len(waits)]:
        tally.count("waits of a revoked key", answer.status_code)
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
    for answer in answers[len(waits) : -1]:
        tally.count("event streams of a revoked key", "refused")
        assert "event: status" in answer.text and "event: done" not in answer.text
    assert not [answer for answer in answers[:-1] if SIGNED.search(answer.text)]
    assert max(answer.elapsed.total_seconds() for answer in answers[: len(waits)]) < 30
    assert answers[-1].json()["status"] == "queued"  # another caller waited on


def test_an_edit_that_ends_after_its_key_was_revoked_is_not_shown(
    address: str,
    post: Post,
    make_key: MakeKey,
    keys: Keyring,
    finish: Callable[..., object],
    waiting: Waiting,
) -> None:
    ann, key = make_key("ann")
    edit = post(headers=ann).json()
    stream, look = f"/v1/edits/{edit['id']}/events", f"/v1/edits/{edit['id']}?wait=60"
    ticket = edit["urls"]["events"].removeprefix("http://testserver")

    def revoke_and_finish() -> None:
        keys.revoke(key.id)
        finish()

    requests = [
        ("GET", stream, {"headers": ann}),
        ("GET", ticket, {}),
        ("GET", look, {"headers": ann}),
    ]
    answers = asyncio.run(opened(address, requests, waiting, revoke_and_finish))
    assert [answer.status_code for answer in answers] == [200, 200, 401]
    assert not [one for one in answers if SIGNED.search(one.text) or "event: done" in one.text]


def test_a_stream_that_never_pauses_ends_too(
    address: str, post: Post, make_key: MakeKey, keys: Keyring, store: EditStore, waiting: Waiting
) -> None:
    ann, key = make_key("ann")
    edit_id = post(headers=ann).json()["id"]
    claim = store.claim("zoo")
    assert claim is not None

    def revoke_and_report() -> None:
        keys.revoke(key.id)
        for step in range(1, 10 * BLOCK_SECONDS):  # more often than a heartbeat, for twice as long
            store.report(claim, Stage.EDITING, step / 1000)
            time.sleep(0.2)

    request = ("GET", f"/v1/edits/{edit_id}/events", {"headers": ann})
    (answer,) = asyncio.run(opened(address, [request], waiting, revoke_and_report))
    events = answer.text.count("event: progress")
    assert 0 < events < 9 * BLOCK_SECONDS
