"""The rate limit of a key on a real Valkey."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from core.access import rate_limiter
from core.access.rate_limiter import WINDOW_SECONDS, RateLimiter
from core.errors import StoreUnavailable
from core.store.connection import connect


def test_a_key_may_make_so_many_requests_a_minute_and_another_as_many(redis_url: str) -> None:
    with connect(redis_url) as client:
        counting = RateLimiter(client)
        taken = [counting.take("ann", 3) for _ in range(5)]
        assert [one.allowed for one in taken] == [True, True, True, False, False]
        assert [one.remaining for one in taken] == [2, 1, 0, 0, 0]
        assert all(WINDOW_SECONDS - 2 <= one.resets_in <= WINDOW_SECONDS for one in taken)
        assert counting.take("ben", 3).remaining == 2


def test_all_processes_count_together(redis_url: str) -> None:
    def ask(_: int) -> bool:
        with connect(redis_url) as client:
            return RateLimiter(client).take("ann", 20).allowed

    with ThreadPoolExecutor(10) as pool:
        assert sum(pool.map(ask, range(60))) == 20


def test_after_the_time_that_was_told_there_is_more(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rate_limiter, "WINDOW_SECONDS", 2)
    with connect(redis_url) as client:
        counting = RateLimiter(client)
        while (last := counting.take("ann", 4)).allowed:
            pass
        assert last.resets_in <= 2
        time.sleep(last.resets_in)
        assert counting.take("ann", 4).allowed


def test_a_redis_that_is_gone_is_told() -> None:
    with connect("redis://127.0.0.1:1/0") as client, pytest.raises(StoreUnavailable):
        RateLimiter(client).take("ann", 3)
