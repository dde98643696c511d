"""Picture servers that attack our time, memory and event loop."""

import asyncio
import time
import tracemalloc

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from core.errors import FetchFailed
from core.outbound.fetcher import Fetcher
from core.schema import Model
from core.settings import Settings
from core.store.edits import EditStore
from tests.security.hostile import listening
from tests.security.slow_servers import (
    LOOPBACK,
    SERVERS,
    app_that_waits,
    ask,
    settings,
)
from tests.security.tally import Tally
from tests.support.problems import assert_problem

__all__ = ["settings"]

SECONDS = 0.5  # instead of half a minute
GRACE = 10  # s of slack for a busy machine; these servers never stop by themselves
MB = 1024 * 1024


@pytest.fixture
def app(settings: Settings, store: EditStore, model: Model) -> FastAPI:
    """Return an application with short timeouts, and a live worker."""
    store.announce("worker-1", model)
    return app_that_waits(SECONDS, settings)


def test_whatever_a_server_does_a_fetch_ends_in_time_with_a_problem(
    app: FastAPI, tally: Tally
) -> None:
    with TestClient(app) as client:
        for name, script in SERVERS.items():
            with listening(script) as server:
                started = time.monotonic()
                answer = client.post("/v1/edits", json=ask(server.url))
                seconds = time.monotonic() - started
            tally.count("picture servers that misbehave", answer.status_code)
            assert 400 <= answer.status_code < 500, (name, answer.text)
            assert answer.json()["code"] in ("fetch_failed", "unsupported_media_type"), name
            assert seconds < SECONDS + GRACE, name


def test_a_handshake_that_never_ends_is_given_up(app: FastAPI, tally: Tally) -> None:
    with TestClient(app) as client, listening(lambda talk: talk.done.wait()) as server:
        answer = client.post("/v1/edits", json=ask(server.url.replace("http:", "https:")))
    tally.count("picture servers that misbehave", answer.status_code)
    assert_problem(answer, 422, "fetch_failed")


@pytest.mark.parametrize("name", ["sends a body without end", "sends gzip", "drips its head"])
def test_a_fetch_holds_little_more_than_the_picture_may_have(name: str) -> None:
    async def fetch(url: str) -> None:
        fetcher = Fetcher(LOOPBACK, seconds=SECONDS)
        tracemalloc.start()
        try:
            with pytest.raises(FetchFailed):
                await fetcher.fetch(url, max_bytes=2 * MB)
            assert tracemalloc.get_traced_memory()[1] < 5 * MB
        finally:
            tracemalloc.stop()

    with listening(SERVERS[name]) as server:
        asyncio.run(fetch(server.url))


@pytest.mark.parametrize("name", ["sends crumbs without end", "sends interim answers without end"])
def test_crumbs_do_not_hold_up_the_event_loop(name: str) -> None:
    longest = 0.0

    async def watch() -> None:
        nonlocal longest
        while True:
            before = time.monotonic()
            await asyncio.sleep(0.001)
            longest = max(longest, time.monotonic() - before)

    async def fetch(url: str) -> None:
        watching = asyncio.create_task(watch())
        with pytest.raises(FetchFailed):
            await Fetcher(LOOPBACK, seconds=4).fetch(url, max_bytes=20 * MB)
        watching.cancel()

    with listening(SERVERS[name]) as server:
        asyncio.run(fetch(server.url))
    assert longest < 2  # without pauses it would last the whole fetch
