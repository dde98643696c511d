"""Servers of pictures that want something else: time, memory, the event loop."""

import asyncio
import gzip
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from api.app import create_app
from core.errors import FetchFailed
from core.outbound.fetcher import Fetcher
from core.schema import Model
from core.settings import Settings
from core.store.edits import EditStore
from tests.api.problems.test_problems import told
from tests.security.hostile import Script, answering, listening
from tests.security.tally import Tally

LOOPBACK = (ip_network("127.0.0.0/8"),)
SECONDS = 0.5  # instead of half a minute
GRACE = 10  # s that a busy machine may take; what these servers do has no end
MB = 1024 * 1024

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
BOMB = gzip.compress(bytes(20 * MB), 1)


def encoded(name: str) -> Script:
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {name}"
    return answering(BOMB, head)


def then(first: bytes, go_on: Callable[[Any], None]) -> Script:
    def script(talk: Any) -> None:
        talk.say(first)
        go_on(talk)

    return script


SERVERS: dict[str, Script] = {
    # slow
    "says nothing": lambda talk: talk.done.wait(),
    "drips its head": then(OK, lambda talk: talk.drip(b"x")),
    "drips header lines": then(OK, lambda talk: talk.drip(b"X: 1\r\n")),
    "drips its body": then(OK + b"\r\n", lambda talk: talk.drip(b"x")),
    "drips chunks": then(CHUNKED, lambda talk: talk.drip(b"1\r\nx\r\n")),
    "drips interim answers": lambda talk: talk.drip(b"HTTP/1.1 103 Early Hints\r\n\r\n"),
    "stalls in the middle": then(
        OK + b"Content-Length: 1000\r\n\r\nxx", lambda talk: talk.done.wait()
    ),
    # without end
    "sends header lines without end": then(OK, lambda talk: talk.flood(b"X: 1\r\n" * 99)),
    "sends one header without end": then(OK + b"X: ", lambda talk: talk.flood(b"x" * 9999)),
    "sends interim answers without end": lambda talk: talk.flood(
        b"HTTP/1.1 100 Continue\r\n\r\n" * 99
    ),
    "sends a body without end": then(OK + b"\r\n", lambda talk: talk.flood(bytes(65536))),
    "sends chunks without end": then(
        CHUNKED, lambda talk: talk.flood(b"2000\r\n" + bytes(8192) + b"\r\n")
    ),
    "sends crumbs without end": then(CHUNKED, lambda talk: talk.flood(b"1\r\nx\r\n" * 9999)),
    "sends a chunk's extension without end": then(
        CHUNKED + b"1;", lambda talk: talk.flood(b"x" * 9999)
    ),
    "sends trailers without end": then(
        CHUNKED + b"0\r\n", lambda talk: talk.flood(b"X: 1\r\n" * 99)
    ),
    # dishonest
    "states too much": lambda talk: talk.say(OK + b"Content-Length: 99999999999\r\n\r\n"),
    "states more than it sends": lambda talk: talk.say(OK + b"Content-Length: 99\r\n\r\nx"),
    "states two lengths": lambda talk: talk.say(
        OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx"
    ),
    "states a negative length": lambda talk: talk.say(OK + b"Content-Length: -1\r\n\r\nxx"),
    "states less than it sends": lambda talk: talk.say(OK + b"Content-Length: 2\r\n\r\nxxxxxxx"),
    "sends gzip": encoded("gzip"),
    "sends deflate": encoded("deflate"),
    "sends br": encoded("br"),
    "sends zstd": encoded("zstd"),
    "sends gzip in gzip": encoded("gzip, gzip"),
    "sends an unknown encoding": encoded("x-none"),
    # something else
    "speaks HTTP/0.9": lambda talk: talk.say(b"<html>old</html>"),
    "speaks HTTP/2": lambda talk: talk.say(b"\0\0\x12\x04\0\0\0\0\0" + bytes(99)),
    "speaks SSH": lambda talk: talk.say(b"SSH-2.0-OpenSSH_9.9\r\n"),
    "speaks nonsense": lambda talk: talk.say(bytes(range(256)) * 99),
    "switches protocols": lambda talk: talk.say(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"
    ),
    "answers with status 999": lambda talk: talk.say(b"HTTP/1.1 999 Odd\r\n\r\n"),
    "hangs up": lambda talk: None,
}


@pytest.fixture
def settings(redis_url: str, tmp_path: Path) -> Settings:
    """A service whose queue has room for all that these tests send."""
    return Settings(
        _env_file=None, REDIS_URL=redis_url, data_dir=tmp_path, allow_networks="127.0.0.0/8"
    )


def app_that_waits(seconds: float, settings: Settings) -> FastAPI:
    """An application that waits so long for a picture."""
    made = create_app(settings)
    fetcher = Fetcher(LOOPBACK, seconds=seconds, place_seconds=0.2)
    made.state.services = replace(made.state.services, fetcher=fetcher)
    return made


@pytest.fixture
def app(settings: Settings, store: EditStore, model: Model) -> FastAPI:
    """An application that is less patient than usual, with a live worker."""
    store.announce("worker-1", model)
    return app_that_waits(SECONDS, settings)


def ask(url: str) -> dict[str, Any]:
    return {"prompt": "x", "image": {"url": url}}


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
    told(answer, 422, "fetch_failed")


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
    assert longest < 2  # without a pause it would be all the time of the fetch
