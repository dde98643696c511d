"""How much of requests' bodies may be in memory at once, of all requests together."""

from collections.abc import Iterator
from contextlib import contextmanager

from api.problems.errors import Overloaded

MAX_IN_HAND = 256 * 1024 * 1024  # nine of the largest bodies; parsing takes as much again


class Reservation:
    """What one request holds."""

    def __init__(self, limiter: "MemoryLimiter"):
        self._limiter, self._size = limiter, 0

    def take(self, size: int) -> None:
        """Hold more bytes.

        Raises:
            Overloaded: all requests together hold too many.
        """
        if size > self._limiter.left:
            raise Overloaded("Many large requests are being read; try again in a moment.")
        self._limiter.left -= size
        self._size += size

    def release(self) -> None:
        """Hold nothing any more."""
        self._limiter.left += self._size
        self._size = 0


class MemoryLimiter:
    """Room for bodies, of one process; used in its event loop alone."""

    def __init__(self, most: int = MAX_IN_HAND):
        self.left = most

    @contextmanager
    def reservation(self) -> Iterator[Reservation]:
        """What a request holds, until it has ended at the latest."""
        reservation = Reservation(self)
        try:
            yield reservation
        finally:
            reservation.release()
