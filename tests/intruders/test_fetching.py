"""Servers of pictures that want something else: time, memory, the event loop."""

import asyncio
import gzip
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from api.app import create_app
from jobs.errors import FetchFailed
from jobs.fetching import AT_ONCE, OF_ONE_KEY, Fetcher
from jobs.keyring import ApiKey
from jobs.schema import Model
from jobs.settings import Settings
from jobs.store import EditStore
from tests.api.conftest import keys, make_key, serving
from tests.api.test_problems import told
from tests.intruders.hostile import NAME, Resolver, Script, answering, listening
from tests.intruders.tally import Tally

__all__ = ["keys", "make_key"]

LOOPBACK = (ip_network("127.0.0.0/8"),)
SECONDS = 0.5  # instead of half a minute
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


@pytest.fixture
def app(settings: Settings, store: EditStore, model: Model) -> FastAPI:
    """An application that waits less long for pictures, with a live worker."""
    store.announce("worker-1", model)
    made = create_app(settings)
    fetcher = Fetcher(LOOPBACK, seconds=SECONDS, place_seconds=0.2)
    made.state.services = replace(made.state.services, fetcher=fetcher)
    return made


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
            assert seconds < SECONDS + 1, name


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
            await Fetcher(LOOPBACK, seconds=3).fetch(url, max_bytes=20 * MB)
        watching.cancel()

    with listening(SERVERS[name]) as server:
        asyncio.run(fetch(server.url))
    assert longest < 0.5


# --- many at once


@pytest.fixture
def slow() -> Iterator[str]:
    with listening(SERVERS["says nothing"]) as server:
        yield server.url


@pytest.fixture
def good(picture: Callable[..., bytes]) -> Iterator[str]:
    with listening(answering(picture())) as server:
        yield server.url


def flood(address: str, url: str, times: int, headers: dict[str, str]) -> list[httpx.Response]:
    """So many POSTs that name the same URL, at once."""

    async def all_of_them() -> list[httpx.Response]:
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(
            base_url=address, limits=limits, timeout=30, trust_env=False, headers=headers
        ) as client:
            return await asyncio.gather(
                *(client.post("/v1/edits", json=ask(url)) for _ in range(times))
            )

    return asyncio.run(all_of_them())


def others_meanwhile(address: str, good: str, headers: dict[str, str], until: Any) -> list[float]:
    """Seconds that another caller's requests take while something goes on."""
    seconds = []
    with httpx.Client(base_url=address, timeout=30, trust_env=False, headers=headers) as client:
        while until.is_alive():
            for method, path, body in (
                ("GET", "/healthz", None),
                ("GET", "/v1/edits", None),
                ("GET", "/v1/models", None),
                ("POST", "/v1/edits", ask(good)),
            ):
                started = time.monotonic()
                answer = client.request(method, path, json=body)
                assert answer.status_code in (200, 202), answer.text
                seconds.append(time.monotonic() - started)
            time.sleep(0.01)
    return seconds


MakeKey = Callable[..., tuple[dict[str, str], ApiKey]]


def test_a_hundred_posts_of_slow_urls_hold_up_nobody_else(
    app: FastAPI,
    settings: Settings,
    make_key: MakeKey,
    slow: str,
    good: str,
    tally: Tally,
) -> None:
    ann, _ = make_key("ann")
    ben, _ = make_key("ben", edits_in_flight=1000, requests_per_minute=100_000)
    answers: list[httpx.Response] = []
    with serving(settings, app=app) as address:
        attack = threading.Thread(target=lambda: answers.extend(flood(address, slow, 100, ann)))
        attack.start()
        seconds = others_meanwhile(address, good, ben, attack)
    for answer in answers:
        tally.count("many POSTs of slow URLs at once", answer.status_code)
    codes = [answer.json()["code"] for answer in answers]
    assert OF_ONE_KEY <= codes.count("fetch_failed") <= 3 * OF_ONE_KEY
    assert codes.count("rate_limited") == 100 - codes.count("fetch_failed")
    assert {a.headers.get("retry-after") for a in answers if a.status_code == 429} == {"5"}
    print(f"others: {len(seconds)} requests, the slowest {max(seconds) * 1000:.0f} ms")
    assert max(seconds) < 1


def test_there_is_a_bound_for_all_callers_together(
    app: FastAPI,
    settings: Settings,
    slow: str,
) -> None:
    with serving(settings, app=app) as address:
        answers = flood(address, slow, AT_ONCE + 10, {})
        codes = [answer.json()["code"] for answer in answers]
        assert (codes.count("fetch_failed"), codes.count("unavailable")) == (AT_ONCE, 10)
        assert {a.headers.get("retry-after") for a in answers if a.status_code == 503} == {"5"}


def test_names_without_an_answer_hold_up_nobody_else(
    app: FastAPI,
    settings: Settings,
    make_key: MakeKey,
    good: str,
    monkeypatch: pytest.MonkeyPatch,
    tally: Tally,
) -> None:
    ann, _ = make_key("ann", requests_per_minute=100_000)
    ben, _ = make_key("ben", edits_in_flight=1000, requests_per_minute=100_000)
    resolver = Resolver([["127.0.0.1"]], held=threading.Event())
    monkeypatch.setattr("socket.getaddrinfo", resolver)
    answers: list[httpx.Response] = []

    def attack() -> None:
        for _ in range(3):
            answers.extend(flood(address, f"http://{NAME}/a.png", 30, ann))

    with serving(settings, app=app) as address:
        attacking = threading.Thread(target=attack)
        attacking.start()
        seconds = others_meanwhile(address, good, ben, attacking)
        assert resolver.held is not None
        resolver.held.set()
    for answer in answers:
        tally.count("names whose server never answers", answer.status_code)
        assert answer.status_code in (422, 429)
    assert resolver.calls >= 3 * OF_ONE_KEY
    print(f"others: {len(seconds)} requests, the slowest {max(seconds) * 1000:.0f} ms")
    assert max(seconds) < 1
