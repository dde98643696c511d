"""Waiting for an edit's events without holding a thread: each waiter is one coroutine."""

import asyncio
import time
from typing import Any

import redis.asyncio
from redis.exceptions import RedisError

from jobs.errors import StoreUnavailable
from jobs.schema import EditStatus

BLOCK_SECONDS = 5
MAX_WAITERS = 2000  # each holds a connection; Valkey's own bound is 10,000 clients


class Follower:
    """Reads edits' event streams (`baret:events:<id>`) as they are written."""

    def __init__(self, url: str):
        # The library's types cannot say that decode_responses makes every answer text.
        self._redis: Any = redis.asyncio.Redis.from_url(
            url,
            decode_responses=True,
            socket_connect_timeout=2,
            # Above the longest blocking read, which would otherwise count as a dead connection.
            socket_timeout=2 * BLOCK_SECONDS,
            max_connections=MAX_WAITERS,
        )

    async def until_final(self, edit_id: str, seconds: float) -> None:
        """Return as soon as the edit has ended, or after `seconds`.

        Raises:
            StoreUnavailable: Redis does not answer.
        """
        deadline = time.monotonic() + seconds
        try:
            newest = await self._redis.xrevrange(f"baret:events:{edit_id}", count=1)
            seen = newest[0][0] if newest else "0"
            # The status is read after the stream's end: what comes between is seen below.
            status = await self._redis.hget(f"baret:edit:{edit_id}", "status")
            if status is None or EditStatus(status).final:
                return
            while (left := deadline - time.monotonic()) > 0:
                block = max(1, int(min(left, BLOCK_SECONDS) * 1000))
                found = await self._redis.xread({f"baret:events:{edit_id}": seen}, block=block)
                for event, fields in found[0][1] if found else []:
                    seen = event
                    if fields["type"] == "done":
                        return
        except (RedisError, asyncio.IncompleteReadError) as error:
            raise StoreUnavailable("Redis does not answer; try again in a few seconds.") from error

    async def close(self) -> None:
        """Give the connections back."""
        await self._redis.aclose()
