"""An edit's events as they come, without holding a thread: each follower is one coroutine."""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialWithJitterBackoff
from redis.exceptions import RedisError

from core.errors import StoreDamaged, StoreUnavailable
from core.schema import EditStatus
from core.store import keys
from core.store.connection import TIMEOUT_SECONDS, UNREADABLE

BLOCK_SECONDS = 5
MAX_WAITERS = 2000  # each holds a connection; Valkey's own bound is 10,000 clients
MAX_AT_ONCE = 100  # events read in one round trip

_EVENT_ID = re.compile(r"(\d{1,15})-(\d{1,15})", re.ASCII)
_START = "0-0"


@dataclass(frozen=True)
class Event:
    """What happened to an edit. `id` orders it among the edit's events."""

    id: str
    type: str  # "status", "progress", "preview" or "done"
    data: dict[str, Any]


@contextmanager
def _redis_errors() -> Iterator[None]:
    try:
        yield
    except (RedisError, asyncio.IncompleteReadError) as error:
        raise StoreUnavailable("Redis does not answer; try again in a few seconds.") from error
    except UNREADABLE as error:
        raise StoreDamaged("The edit's events are damaged; ask for the edit itself.") from error


class Follower:
    """Reads edits' event streams (`baret:events:<id>`) as they are written.

    Raises:
        StoreUnavailable: from any method, when Redis does not answer.
    """

    def __init__(self, url: str):
        # The library's types cannot say that decode_responses makes every answer text.
        self._redis: Any = redis.asyncio.Redis.from_url(
            url,
            decode_responses=True,
            encoding_errors="replace",
            socket_connect_timeout=TIMEOUT_SECONDS,
            # Above the longest blocking read, which would otherwise count as a dead connection.
            socket_timeout=BLOCK_SECONDS + TIMEOUT_SECONDS,
            # What did not answer in time is not waited for again.
            retry=Retry(
                ExponentialWithJitterBackoff(base=0.05, cap=0.5), 3, (redis.ConnectionError,)
            ),
            max_connections=MAX_WAITERS,
        )
        self._leaving = False

    def let_go(self) -> None:
        """Have everyone who waits return within `BLOCK_SECONDS`: the process is to end."""
        self._leaving = True

    async def until_final(self, edit_id: str, seconds: float) -> None:
        """Return as soon as the edit has ended, after `seconds`, or when let go."""
        deadline = time.monotonic() + seconds
        with _redis_errors():
            seen = await self._last_id(edit_id)
            # The status is read after the stream's end: what comes between is seen below.
            status = await self._redis.hget(keys.edit(edit_id), "status")
            if status is None or EditStatus(status).final:
                return
            while (left := deadline - time.monotonic()) > 0 and not self._leaving:
                for event in await self._read(edit_id, seen, min(left, BLOCK_SECONDS)):
                    seen = event.id
                    if event.type == "done":
                        return

    async def end_of(self, edit_id: str) -> str | None:
        """The id of the event that ended the edit; None while it goes on."""
        with _redis_errors():
            last = await self._last(edit_id)
            return last.id if last and last.type == "done" else None

    async def events(self, edit_id: str, *, after: str) -> AsyncIterator[Event | None]:
        """What has happened since the event `after`, and what happens until the edit's end.

        Where some of it is kept no longer, it begins with the edit's current state. An id that is
        none of this edit's is passed over, and everything is told. None is yielded when nothing
        has happened for `BLOCK_SECONDS`.
        """
        with _redis_errors():
            seen = await self._known(edit_id, after)
            if await self._misses(edit_id, seen):
                state = await self._state(edit_id)
                if state is None:
                    return
                yield state
                if state.type == "done":
                    return
                seen = state.id
            while not self._leaving:
                found = await self._read(edit_id, seen, BLOCK_SECONDS)
                for event in found:
                    yield event
                    if event.type == "done":
                        return
                    seen = event.id
                if not found:
                    if not await self._redis.exists(keys.events(edit_id)):
                        return  # deleted
                    yield None

    async def close(self) -> None:
        """Give the connections back."""
        await self._redis.aclose()

    async def _read(self, edit_id: str, after: str, seconds: float) -> list[Event]:
        """The next events, waited for so long."""
        key = keys.events(edit_id)
        block = max(1, int(seconds * 1000))
        found = await self._redis.xread({key: after}, count=MAX_AT_ONCE, block=block)
        return [_event(entry) for entry in found[0][1]] if found else []

    async def _last(self, edit_id: str) -> Event | None:
        newest = await self._redis.xrevrange(keys.events(edit_id), count=1)
        return _event(newest[0]) if newest else None

    async def _last_id(self, edit_id: str) -> str:
        last = await self._last(edit_id)
        return last.id if last else _START

    async def _known(self, edit_id: str, after: str) -> str:
        """`after`, or the very beginning where no event of the edit can have that id."""
        if not _EVENT_ID.fullmatch(after):
            return _START
        return after if _order(after) <= _order(await self._last_id(edit_id)) else _START

    async def _misses(self, edit_id: str, after: str) -> bool:
        """Whether events that came after this one are kept no longer."""
        key = keys.events(edit_id)
        if not await self._redis.exists(key):
            return True
        kept = await self._redis.xinfo_stream(key)
        first = kept["first-entry"][0]
        return kept["entries-added"] > kept["length"] and _order(after) < _order(first)

    async def _state(self, edit_id: str) -> Event | None:
        """How the edit stands, as the event that a follower who missed some begins with."""
        # The stream's end is read before the record: what comes between is told once more.
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
