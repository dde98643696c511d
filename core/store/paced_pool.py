"""Connections to Redis that many followers open at once."""

import asyncio
from typing import Any

import redis
from redis.asyncio.connection import AbstractConnection, ConnectionPool
from redis.asyncio.sentinel import SentinelConnectionPool

from core.circuit_breaker import CircuitBreaker
from core.store.connection import OPEN_SECONDS, TIMEOUT_SECONDS

AT_ONCE = 32  # connections that are being opened


class PacedPool(ConnectionPool):
    """Opens few connections at a time.

    Opening one takes a millisecond of this process. Of a thousand that begin together most would
    time out, although Redis answers. While it does not, those who wait for their turn fail at once.
    """

    def __init__(self, *args: Any, **kwargs: Any):
        """Take what `ConnectionPool` does."""
        super().__init__(*args, **kwargs)
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._breaker = CircuitBreaker(timeout=TIMEOUT_SECONDS, open_seconds=OPEN_SECONDS)

    async def get_connection(self, *args: Any, **kwargs: Any) -> AbstractConnection:
        """Return an open connection.

        Raises:
            redis.RedisError: it cannot be opened.
        """
        async with self._turns:
            if not self._breaker.allow():
                raise redis.TimeoutError("not tried: Redis has just timed out")
            try:
                connection: AbstractConnection = await super().get_connection(*args, **kwargs)  # type: ignore[no-untyped-call]
            except redis.TimeoutError:
                self._breaker.record_timeout()
                raise
            self._breaker.reset()
            return connection


class PacedSentinelPool(PacedPool, SentinelConnectionPool):
    """The same, with connections to the master that the Sentinels name."""
