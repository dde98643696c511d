"""Every pool that callers share in one API process, and whose share a request takes.

Intake (reading bodies, decoding photos, accepting edits) has pools of its own, so that no amount of
reading holds it up.
"""

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Self

from fastapi import Request

from api.server.fair_share import FairShare, PoolLimits
from api.server.image_work import ImageWork
from core.settings import Settings

ANONYMOUS = "local"  # the one caller of a service without keys

# Requests that compute at a time. All do in one event loop and behind one lock, so each slows
# down the others. Half are for light callers; two at a time overlap their round trips to Redis.
ADMITTED = 4
# Seconds. It shares out the moment: who computed while nobody else did is not put behind for it.
ADMISSION_MEMORY = 2.0

# Enough for a key with as many requests at once as it may have edits in flight, twice over.
MAX_WAITING = 200
LARGE_PIXELS = 4_000_000  # of an output; encoding a larger one takes more than a second


@dataclass(frozen=True)
class Shares:
    """The pools of one process; used in its event loop only."""

    admission: FairShare  # requests that compute, from their head until they wait or are answered
    intake: FairShare  # POSTs, from their body's first byte to their edit's acceptance
    decoding: ImageWork
    encoding: ImageWork
    downloads: FairShare  # stored images being read
    lists: FairShare
    streams: FairShare  # event streams and waiting requests

    @classmethod
    def make(cls, settings: Settings) -> Self:
        """Make the pools that the settings describe."""
        wait = settings.share_wait
        # More than there are cores would slow down the event loop; at least two, so that one slow
        # image blocks no others. One more is for light callers.
        workers = 1 + (settings.decoders or max(2, min(4, os.cpu_count() or 1)))

        def pool(name: str, what: str, slots: int, reserve: int, seconds: float) -> FairShare:
            return FairShare(name, what, PoolLimits(slots, reserve, MAX_WAITING, seconds))

        return cls(
            admission=FairShare(
                "admission",
                "requests being admitted",
                PoolLimits(
                    ADMITTED,
                    ADMITTED // 2,
                    sys.maxsize,  # the number of connections limits who waits here
                    wait,
                    is_metered=True,
                    memory_seconds=ADMISSION_MEMORY,
                ),
            ),
            intake=pool("intake", "edits being submitted", 32, 4, wait),
            decoding=ImageWork(
                pool("decoding", "images being decoded", workers, 1, wait),
                pool("slow_decoding", "images that take long to decode", 1, 0, wait),
            ),
            encoding=ImageWork(
                pool("encoding", "images being converted", workers, 1, 2 * wait),
                pool("slow_encoding", "large images being converted", 1, 0, 2 * wait),
            ),
            downloads=pool("downloads", "images being read", 6, 2, wait),
            lists=pool("lists", "lists being read", 3, 1, wait),
            streams=FairShare(
                "streams",
                "event streams and waiting requests",
                PoolLimits(settings.streams, retry_after=5),
            ),
        )

    def pools(self) -> Iterator[FairShare]:
        """Yield every pool."""
        for part in fields(self):
            pool: FairShare | ImageWork = getattr(self, part.name)
            yield from (pool.quick, pool.slow) if isinstance(pool, ImageWork) else (pool,)


def share_of(request: Request, caller: str) -> str:
    """Return the name of the caller whose share a request takes.

    Without keys everyone is the same caller, so each address of a client has a share.
    """
    if caller != ANONYMOUS:
        return caller
    return f"address {request.client.host if request.client else ''}"


class RecentSenders:
    """The senders that were known lately: a bounded set that forgets the oldest first."""

    def __init__(self, limit: int = 10_000):
        self._limit = limit
        self._senders: dict[str, None] = {}

    def __contains__(self, sender: str) -> bool:
        """Return whether a sender was noted lately."""
        return sender in self._senders

    def note(self, sender: str) -> None:
        """Note a sender as known now."""
        self._senders.pop(sender, None)
        self._senders[sender] = None
        if len(self._senders) > self._limit:
            del self._senders[next(iter(self._senders))]
