"""Many fetches from slow servers at once: other callers are still served."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from core.access.api_keys import ApiKey
from core.outbound.fetcher import MAX_FETCHES, MAX_FETCHES_PER_KEY
from core.schema import Model
from core.settings import Settings
from core.store.edits import EditStore
from tests.security.hostile import NAME, Resolver, answering, listening
from tests.security.slow_servers import SERVERS, app_that_waits, ask, settings
from tests.security.tally import Tally
from tests.support.api_app import keys, make_key, serving

__all__ = ["keys", "make_key", "settings"]

SECONDS = 10.0  # the limit of a fetch; a request blocked by one waits about as long


@pytest.fixture
def app(settings: Settings, store: EditStore, model: Model) -> FastAPI:
    store.announce("worker-1", model)
    return app_that_waits(SECONDS, settings)


@pytest.fixture
def slow() -> Iterator[str]:
    with listening(SERVERS["says nothing"]) as server:
        yield server.url


@pytest.fixture
def good(make_image: Callable[..., bytes]) -> Iterator[str]:
    with listening(answering(make_image())) as server:
        yield server.url


def flood(address: str, url: str, times: int, headers: dict[str, str]) -> list[httpx.Response]:
    """Send this many POSTs that name the same URL, all at once."""

    async def all_of_them() -> list[httpx.Response]:
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(
            base_url=address, limits=limits, timeout=120, trust_env=False, headers=headers
        ) as client:
            return await asyncio.gather(
                *(client.post("/v1/edits", json=ask(url)) for _ in range(times))
            )

    return asyncio.run(all_of_them())


def others_meanwhile(address: str, good: str, headers: dict[str, str], until: Any) -> list[float]:
    """Return how many seconds each of another caller's requests takes while `until` is alive."""
    seconds = []
    with httpx.Client(base_url=address, timeout=120, trust_env=False, headers=headers) as client:
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
    assert MAX_FETCHES_PER_KEY <= codes.count("fetch_failed") <= 50
    assert codes.count("rate_limited") == 100 - codes.count("fetch_failed")
    assert {a.headers.get("retry-after") for a in answers if a.status_code == 429} == {"5"}
    print(f"others: {len(seconds)} requests, the slowest {max(seconds) * 1000:.0f} ms")
    assert max(seconds) < 0.8 * SECONDS


def test_there_is_a_bound_for_all_callers_together(
    app: FastAPI,
    settings: Settings,
    make_key: MakeKey,
    slow: str,
) -> None:
    answers: list[httpx.Response] = []
    callers = [make_key(str(number))[0] for number in range(MAX_FETCHES // MAX_FETCHES_PER_KEY + 2)]

    def attack(headers: dict[str, str]) -> None:
        answers.extend(flood(address, slow, MAX_FETCHES_PER_KEY, headers))

    with serving(settings, app=app) as address:
        attacks = [threading.Thread(target=attack, args=(headers,)) for headers in callers]
        for thread in attacks:
            thread.start()
        for thread in attacks:
            thread.join()
    codes = [answer.json()["code"] for answer in answers]
    assert codes.count("fetch_failed") >= MAX_FETCHES
    assert 0 < codes.count("unavailable") == len(codes) - codes.count("fetch_failed")
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
        for _ in range(2):
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
    assert resolver.calls >= 2 * MAX_FETCHES_PER_KEY
    print(f"others: {len(seconds)} requests, the slowest {max(seconds) * 1000:.0f} ms")
    assert max(seconds) < 0.8 * SECONDS
