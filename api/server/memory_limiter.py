"""How much memory the bodies of all requests together may take."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from api.problems.errors import Overloaded, RateLimited

# Bytes: nine of the largest bodies. Parsing takes up to three times as much again.
MAX_RESERVED = 256 * 1024 * 1024
RETRY_AFTER = 5  # seconds, in a refusal


class Reservation:
    """The memory that one request holds."""

    def __init__(self, limiter: "MemoryLimiter", caller: str):
        self._limiter, self._caller, self._size = limiter, caller, 0

    def take(self, size: int) -> None:
        """Reserve more bytes.

        Raises:
            RateLimited: several requests of the caller would hold more than is left for others.
            Overloaded: all requests together hold too many.
        """
        held = self._limiter.held[self._caller]
        if size > self._limiter.left:
            raise Overloaded("Many large requests are being read; try again in a moment.")
        if held > self._size and held + size > self._limiter.left:
            raise RateLimited(
                "Your requests that are being read take as much memory as your share allows. Wait "
                "until one has ended, then send this request again.",
                retry_after=RETRY_AFTER,
            )
        self._limiter.move(self._caller, size)
        self._size += size

    def release(self) -> None:
        """Release all bytes of the reservation."""
        self._limiter.move(self._caller, -self._size)
        self._size = 0


class MemoryLimiter:
    """The memory for bodies of one process, shared by callers; used in its event loop only.

    As in `FairShare`, a caller's requests hold at most as much as stays free, if there are several.
    """

    def __init__(self, limit: int = MAX_RESERVED):
        self.left = limit
        self.held: Counter[str] = Counter()  # bytes by caller

    @contextmanager
    def reservation(self, caller: str) -> Iterator[Reservation]:
        """Open a request's reservation; it is released at the latest on leaving."""
        reservation = Reservation(self, caller)
        try:
            yield reservation
        finally:
            reservation.release()

    def move(self, caller: str, size: int) -> None:
        """Give a caller so many bytes, or take them back."""
        self.left -= size
        self.held[caller] += size
        if not self.held[caller]:
            del self.held[caller]
