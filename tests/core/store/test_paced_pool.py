"""Hundreds of followers begin at once, as after a restart of the API."""

import asyncio
import socket
import time
from typing import Any

import redis
import redis.asyncio
from redis import RedisError
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from core.store.paced_pool import AT_ONCE, PacedPool

BLOCKING = 500  # ms that each read holds its connection


async def read_at_once(url: str, count: int, *, timeout: float) -> list[Any]:
    """Begin so many blocking reads in one moment; return what each gets or raises."""
    options = {"socket_timeout": timeout, "socket_connect_timeout": timeout}
    pool = PacedPool.from_url(url, max_connections=count, retry=Retry(NoBackoff(), 0), **options)
    client = redis.asyncio.Redis.from_pool(pool)
    try:
        reads = [client.xread({"nothing": "0"}, block=BLOCKING) for _ in range(count)]
        return await asyncio.gather(*reads, return_exceptions=True)
    finally:
        await client.aclose()


def test_a_connection_has_its_whole_time_however_many_are_opened(redis_url: str) -> None:
    answers = asyncio.run(read_at_once(redis_url, 500, timeout=1))
    assert [answer for answer in answers if isinstance(answer, Exception)] == []


def test_of_a_redis_that_hangs_nobody_waits_for_a_turn() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=1000) as hanging:
        url = f"redis://127.0.0.1:{hanging.getsockname()[1]}/0"
        started = time.monotonic()
        answers = asyncio.run(read_at_once(url, 20 * AT_ONCE, timeout=1))
    assert all(isinstance(answer, RedisError) for answer in answers)
    assert time.monotonic() - started < 10  # in turns: 20 s
