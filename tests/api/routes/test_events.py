"""Following an edit by server-sent events, over a real server."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import redis
from fastapi.testclient import TestClient
from httpx import Response

from core.schema import EditStatus, Stage
from core.settings import Settings
from core.store.claims import Claim
from core.store.edits import EditStore
from tests.support.api_app import serving
from tests.support.waiting import until

Post = Callable[..., Response]
Finish = Callable[..., Claim]


@dataclass(frozen=True)
class ReceivedEvent:
    id: str
    type: str
    data: Any


def parse(lines: Iterator[str]) -> Iterator[ReceivedEvent | str]:
    """Parse events by the rules of the HTML standard; yield comments unchanged."""
    fields: dict[str, str] = {}
    for line in lines:
        if line.startswith(":"):
            yield line
        elif line:
            name, _, value = line.partition(": ")
            fields[name] = value
        elif "data" in fields:
            yield ReceivedEvent(fields["id"], fields["event"], json.loads(fields["data"]))
            fields = {}


@contextmanager
def following(
    base: str, edit_id: str, *, after: str | None = None
) -> Iterator[Iterator[ReceivedEvent | str]]:
    headers = {} if after is None else {"Last-Event-ID": after}
    with (
        httpx.Client(trust_env=False, timeout=30) as http,
        http.stream("GET", f"{base}/v1/edits/{edit_id}/events", headers=headers) as answer,
    ):
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["cache-control"] == "no-store"
        yield parse(answer.iter_lines())


@pytest.fixture
def base(client: TestClient, settings: Settings) -> Iterator[str]:
    with serving(settings) as address:
        yield address


@pytest.fixture
def followers(redis_url: str) -> Iterator[Callable[[], int]]:
    """Return a function that counts the service's connections that wait for events."""
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        # `cmd` is the last command of an idle connection as well: flag b says that it waits.
        yield lambda: sum(
            one["cmd"] == "xread" and "b" in one["flags"] for one in client.client_list()
        )


def test_events_come_as_they_happen_and_end_with_the_edit(
    base: str, post: Post, store: EditStore, finish: Finish
) -> None:
    edit_id = post(strength="0.3").json()["id"]
    with following(base, edit_id) as events:
        event = next(events)
        assert isinstance(event, ReceivedEvent)
        assert (event.type, event.data["status"]) == ("status", "queued")
        claim = store.claim("zoo")
        assert claim is not None
        event = next(events)
        assert isinstance(event, ReceivedEvent)
        assert event.data == {"status": "running", "stage": "loading", "progress": 0}
        store.report(claim, Stage.EDITING, 0.5)
        event = next(events)
        assert isinstance(event, ReceivedEvent)
        assert (event.type, event.data) == ("progress", {"stage": "editing", "progress": 0.5})
        preview = {
            "strength": 0.3,
            "interpolation": 0.3,
            "progress": 0.5,
            "image": "data:image/webp;base64,AA==",
        }
        store.preview(claim, preview)
        event = next(events)
        assert isinstance(event, ReceivedEvent)
        assert (event.type, event.data) == ("preview", preview)
        store.finish(claim, EditStatus.FAILED, error={"code": "timeout"})
        event = next(events)
        assert isinstance(event, ReceivedEvent)
        assert (event.type, event.data["status"]) == ("done", "failed")
        assert event.data["edit"]["id"] == edit_id
        assert event.data["edit"]["error"] == {"code": "timeout"}
        assert list(events) == []


def test_the_end_shows_the_edit_as_get_does(
    base: str, post: Post, client: TestClient, finish: Finish
) -> None:
    edit_id = post().json()["id"]
    finish()
    with following(base, edit_id) as events:
        *_, done = events
    assert isinstance(done, ReceivedEvent)
    current = client.get(f"/v1/edits/{edit_id}").json()
    for edit in (done.data["edit"], current):
        for output in edit["outputs"]:
            assert "/v1/files/" in output.pop("url")  # freshly signed, for the requested host
        del edit["urls"]
    assert done.data["edit"] == current


def test_a_client_that_was_cut_off_gets_what_it_missed_also_from_another_server(
    settings: Settings, base: str, post: Post, store: EditStore
) -> None:
    edit_id = post().json()["id"]
    with following(base, edit_id) as events:
        first = next(events)
    assert isinstance(first, ReceivedEvent)
    claim = store.claim("zoo")
    assert claim is not None
    store.report(claim, Stage.TUNING, 0.4)
    with serving(settings) as other, following(other, edit_id, after=first.id) as events:
        missed = [next(events) for _ in range(2)]
        store.finish(claim, EditStatus.CANCELED)
        rest = list(events)
    kinds = [event.type for event in (*missed, *rest) if isinstance(event, ReceivedEvent)]
    assert kinds == ["status", "progress", "done"]


def test_a_server_that_stops_lets_its_followers_go(
    settings: Settings, client: TestClient, post: Post
) -> None:
    edit_id = post().json()["id"]
    received = []
    with serving(settings) as address:
        followed = following(address, edit_id)
        events = followed.__enter__()
        received.append(next(events))
    # The server has stopped by now; a client notices when it reads on.
    with pytest.raises(httpx.TransportError):
        next(events)
    with suppress(httpx.TransportError):
        followed.__exit__(None, None, None)
    assert len(received) == 1


def test_who_has_seen_the_end_is_told_not_to_come_again(
    client: TestClient, post: Post, finish: Finish
) -> None:
    edit_id = post().json()["id"]
    finish()
    whole = list(parse(iter(client.get(f"/v1/edits/{edit_id}/events").text.split("\n"))))
    last = whole[-1]
    assert isinstance(last, ReceivedEvent)
    answer = client.get(f"/v1/edits/{edit_id}/events", headers={"Last-Event-ID": last.id})
    assert (answer.status_code, answer.content) == (204, b"")


def test_a_comment_comes_where_nothing_happens(base: str, post: Post) -> None:
    with following(base, post().json()["id"]) as events:
        next(events)
        comment = next(events)
    assert isinstance(comment, str)


def test_a_client_that_goes_away_leaves_nothing_behind(
    base: str, post: Post, followers: Callable[[], int]
) -> None:
    edit_id = post().json()["id"]
    with following(base, edit_id) as events, following(base, edit_id) as others:
        next(events)
        next(others)
        until(lambda: followers() == 1, "both to wait, in one read")
    until(lambda: followers() == 0, "neither to wait")


def test_many_follow_one_edit(base: str, post: Post, finish: Finish) -> None:
    edit_id = post().json()["id"]
    with (
        following(base, edit_id) as one,
        following(base, edit_id) as two,
        following(base, edit_id) as three,
    ):
        finish()
        ends = [list(events)[-1] for events in (one, two, three)]
    assert len({end.id for end in ends if isinstance(end, ReceivedEvent)}) == 1


def test_an_edit_deleted_under_its_follower_ends_canceled(
    base: str, post: Post, client: TestClient
) -> None:
    edit_id = post().json()["id"]
    with following(base, edit_id) as events:
        next(events)
        assert client.delete(f"/v1/edits/{edit_id}").status_code == 204
        (done,) = events
    assert isinstance(done, ReceivedEvent)
    assert (done.type, done.data) == ("done", {"status": "canceled", "edit": None})


def test_there_are_no_events_of_an_edit_that_is_not_there(client: TestClient) -> None:
    answer = client.get("/v1/edits/edit_0123/events")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
