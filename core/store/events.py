"""An edit's events as they are written. Followers are coroutines and hold no threads."""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import redis.asyncio
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import ExponentialWithJitterBackoff
from redis.exceptions import RedisError

from core.errors import KeyRevoked, StoreDamaged, StoreUnavailable
from core.redis_address import sentinel_address
from core.schema import EditStatus
from core.store import keys
from core.store.connection import (
    TIMEOUT_SECONDS,
    UNREADABLE,
    master_options,
    sentinel_options,
)
from core.store.paced_pool import PacedPool, PacedSentinelPool
from core.store.shared_calls import SharedCalls

BLOCK_SECONDS = 5
MAX_WAITERS = 2000  # by default; each may hold a connection, and Valkey's limit is 10,000 clients
EVENTS_PER_READ = 100

_EVENT_ID = re.compile(r"(\d{1,15})-(\d{1,15})", re.ASCII)
_START = "0-0"


@dataclass(frozen=True)
class Event:
    """A change of an edit. `id` orders it among the edit's events."""

    id: str
    type: str  # "status", "progress", "preview" or "done"
    data: dict[str, Any]


def _connect(url: str, **options: Any) -> "redis.asyncio.Redis":
    options |= {
        "decode_responses": True,
        "encoding_errors": "replace",
        "socket_connect_timeout": TIMEOUT_SECONDS,
        # Above the longest blocking read, which would otherwise count as a dead connection.
        "socket_timeout": BLOCK_SECONDS + TIMEOUT_SECONDS,
        # A server that did not answer in time is not tried again.
        "retry": Retry(
            ExponentialWithJitterBackoff(base=0.05, cap=0.5), 3, (redis.ConnectionError,)
        ),
    }
    if (at := sentinel_address(url)) is None:
        return redis.asyncio.Redis.from_pool(PacedPool.from_url(url, **options))
    sentinel = Sentinel(  # type: ignore[no-untyped-call]
        at.sentinels, sentinel_kwargs=sentinel_options(at, url)
    )
    client: redis.asyncio.Redis = sentinel.master_for(
        at.master,
        connection_pool_class=PacedSentinelPool,
        **master_options(at, url),
        **options,
    )
    return client


@contextmanager
def _redis_errors() -> Iterator[None]:
    try:
        yield
    except (RedisError, asyncio.IncompleteReadError) as error:
        raise StoreUnavailable("Redis does not answer; try again in a few seconds.") from error
    except UNREADABLE as error:
        raise StoreDamaged("The edit's events are damaged; request the edit itself.") from error


class Follower:
    """Reads edits' event streams as they are written.

    Raises:
        StoreUnavailable: from any method, when Redis does not answer.
    """

    def __init__(self, url: str, *, max_waiters: int = MAX_WAITERS):
        """Set up connections for this many followers at once."""
        # The library's types cannot say that decode_responses makes every answer text.
        self._redis: Any = _connect(url, max_connections=max_waiters)
        self._shared = SharedCalls()  # many may follow one edit, or with one key
        self._stopping = False

    def stop(self) -> None:
        """End all waiting within `BLOCK_SECONDS`, because the process is shutting down."""
        self._stopping = True

    async def wait_until_final(self, edit_id: str, seconds: float, *, key_id: str = "") -> None:
        """Wait until the edit has ended, for at most `seconds`, or until stopped.

        Raises:
            KeyRevoked: the API key `key_id`, if there is one, was revoked meanwhile.
        """
        deadline = time.monotonic() + seconds
        with _redis_errors():
            last_id = await self._last_id(edit_id)
            # The status is read after the stream's end: the loop sees what comes between.
            status = await self._redis.hget(keys.edit(edit_id), "status")
            if status is None or EditStatus(status).final:
                await self._check(key_id)
                return
            while (left := deadline - time.monotonic()) > 0 and not self._stopping:
                events = await self._read(edit_id, last_id, min(left, BLOCK_SECONDS))
                await self._check(key_id)
                for event in events:
                    last_id = event.id
                    if event.type == "done":
                        return

    async def final_event_id(self, edit_id: str) -> str | None:
        """Return the id of the event that ended the edit; None while it goes on."""
        with _redis_errors():
            last = await self._last(edit_id)
            return last.id if last and last.type == "done" else None

    async def events(
        self, edit_id: str, *, after: str, key_id: str = ""
    ) -> AsyncIterator[Event | None]:
        """Yield the events since `after`, and all that follow until the edit's end.

        If some of them have been trimmed, the first is the edit's current state. An id that is not
        one of this edit's is ignored, and every event is yielded. None means that nothing has
        happened for `BLOCK_SECONDS`.

        Raises:
            KeyRevoked: the API key `key_id`, if there is one, was revoked meanwhile; at most
                `BLOCK_SECONDS` later, and before the last event.
        """
        checked_at = time.monotonic()
        with _redis_errors():
            last_id = await self._known(edit_id, after)
            if await self._has_gap(edit_id, last_id):
                state = await self._state(edit_id)
                if state is None:
                    return
                yield state
                if state.type == "done":
                    return
                last_id = state.id
            while not self._stopping:
                events = await self._read(edit_id, last_id, BLOCK_SECONDS)
                ends = any(event.type == "done" for event in events)
                if ends or not events or time.monotonic() >= checked_at + BLOCK_SECONDS:
                    await self._check(key_id)
                    checked_at = time.monotonic()
                for event in events:
                    yield event
                    if event.type == "done":
                        return
                    last_id = event.id
                if not events:
                    if not await self._exists(edit_id):
                        return  # deleted
                    yield None

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()

    async def _check(self, key_id: str) -> None:
        """Check that an API key was not revoked, for a request that is still being answered."""

        async def is_revoked() -> bool:
            return bool(await self._redis.hexists(keys.api_key(key_id), "revoked_at"))

        if key_id and await self._shared.call(("revoked", key_id), is_revoked):
            raise KeyRevoked("The key was revoked.")

    async def _exists(self, edit_id: str) -> bool:
        async def exists() -> bool:
            return bool(await self._redis.exists(keys.events(edit_id)))

        return bool(await self._shared.call(("exists", edit_id), exists))

    async def _read(self, edit_id: str, after: str, seconds: float) -> list[Event]:
        """Return the next events, after waiting for them for at most `seconds`.

        Those who wait for the same events share one read, which may have begun before.
        """
        key, block = keys.events(edit_id), int(BLOCK_SECONDS * 1000)

        async def read() -> list[Event]:
            streams = await self._redis.xread({key: after}, count=EVENTS_PER_READ, block=block)
            return [_event(entry) for entry in streams[0][1]] if streams else []

        events: list[Event] = []
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                events = await self._shared.call((key, after), read)
        return events

    async def _last(self, edit_id: str) -> Event | None:
        newest = await self._redis.xrevrange(keys.events(edit_id), count=1)
        return _event(newest[0]) if newest else None

    async def _last_id(self, edit_id: str) -> str:
        last = await self._last(edit_id)
        return last.id if last else _START

    async def _known(self, edit_id: str, after: str) -> str:
        """Return `after`, or the beginning if no event of the edit can have that id."""
        if not _EVENT_ID.fullmatch(after):
            return _START
        return after if _order(after) <= _order(await self._last_id(edit_id)) else _START

    async def _has_gap(self, edit_id: str, after: str) -> bool:
        """Return whether events that came after this one have been trimmed."""
        key = keys.events(edit_id)
        if not await self._redis.exists(key):
            return True
        info = await self._redis.xinfo_stream(key)
        first = info["first-entry"][0]
        return info["entries-added"] > info["length"] and _order(after) < _order(first)

    async def _state(self, edit_id: str) -> Event | None:
        """Return the edit's current state as an event, for a follower who missed some."""
        # The stream's end is read before the record: what comes between is repeated.
        last = await self._last(edit_id)
        if last is None or last.type == "done":
            return last
        names = ("status", "stage", "progress")
        status, stage, progress = await self._redis.hmget(keys.edit(edit_id), names)
        if status is None:
            return None
        data = {"status": status, "stage": stage or None, "progress": float(progress or 0)}
        return Event(last.id, "status", data)


def _event(entry: tuple[str, dict[str, str]]) -> Event:
    event_id, fields = entry
    return Event(event_id, fields["type"], json.loads(fields["data"]))


def _order(event_id: str) -> tuple[int, int]:
    ms, _, number = event_id.partition("-")
    return int(ms), int(number)
