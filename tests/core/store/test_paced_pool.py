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


class Opening(redis.asyncio.Connection):
    """Opens nothing, and counts how many are being opened."""

    now = 0
    most = 0

    async def connect(self) -> None:
        Opening.now += 1
        Opening.most = max(Opening.most, Opening.now)
        await asyncio.sleep(0.001)
        Opening.now -= 1

    async def can_read(self, timeout: float | None = 0) -> bool:
        return False


def test_few_connections_are_opened_at_a_time_and_those_in_use_take_no_turn() -> None:
    async def open_all(count: int) -> list[Any]:
        pool = PacedPool(connection_class=Opening, max_connections=count)
        return await asyncio.gather(*(pool.get_connection() for _ in range(count)))

    connections = asyncio.run(asyncio.wait_for(open_all(500), 60))
    assert len({id(connection) for connection in connections}) == 500
    assert Opening.most == AT_ONCE
    assert Opening.now == 0


async def read_at_once(url: str, count: int, *, timeout: float) -> list[Any]:
    """Begin so many reads in one moment; return what each gets or raises."""
    options = {"socket_timeout": timeout, "socket_connect_timeout": timeout}
    pool = PacedPool.from_url(url, max_connections=count, retry=Retry(NoBackoff(), 0), **options)
    client = redis.asyncio.Redis.from_pool(pool)
    try:
        reads = [client.xread({"nothing": "0"}) for _ in range(count)]
        return await asyncio.gather(*reads, return_exceptions=True)
    finally:
        await client.aclose()


def test_reads_of_a_redis_that_answers_all_get_their_answer(redis_url: str) -> None:
    answers = asyncio.run(read_at_once(redis_url, 500, timeout=30))
    assert [answer for answer in answers if isinstance(answer, Exception)] == []


def test_of_a_redis_that_hangs_nobody_waits_for_a_turn() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=1000) as hanging:
        url = f"redis://127.0.0.1:{hanging.getsockname()[1]}/0"
        started = time.monotonic()
        answers = asyncio.run(read_at_once(url, 20 * AT_ONCE, timeout=1))
    assert all(isinstance(answer, RedisError) for answer in answers)
    assert time.monotonic() - started < 10  # in turns: 20 s
