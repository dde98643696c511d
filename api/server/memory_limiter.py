"""How much memory the bodies of all requests together may take."""

from collections.abc import Iterator
from contextlib import contextmanager

from api.problems.errors import Overloaded

# Bytes: nine of the largest bodies. Parsing takes up to three times as much again.
MAX_RESERVED = 256 * 1024 * 1024


class Reservation:
    """The memory that one request holds."""

    def __init__(self, limiter: "MemoryLimiter"):
        self._limiter, self._size = limiter, 0

    def take(self, size: int) -> None:
        """Reserve more bytes.

        Raises:
            Overloaded: all requests together hold too many.
        """
        if size > self._limiter.left:
            raise Overloaded("Many large requests are being read; try again in a moment.")
        self._limiter.left -= size
        self._size += size

    def release(self) -> None:
        """Release all bytes of the reservation."""
        self._limiter.left += self._size
        self._size = 0


class MemoryLimiter:
    """The memory for bodies of one process; used in its event loop only."""

    def __init__(self, limit: int = MAX_RESERVED):
        self.left = limit

    @contextmanager
    def reservation(self) -> Iterator[Reservation]:
        """Open a request's reservation; it is released at the latest on leaving."""
        reservation = Reservation(self)
        try:
            yield reservation
        finally:
            reservation.release()
