"""How much of requests' bodies may be in memory at once, of all requests together."""

from collections.abc import Iterator
from contextlib import contextmanager

from api.problems.errors import NoRoom

MOST_IN_HAND = 256 * 1024 * 1024  # nine of the largest bodies; parsing takes as much again


class Held:
    """What one request holds."""

    def __init__(self, room: "Room"):
        self._room, self._size = room, 0

    def take(self, size: int) -> None:
        """Hold more bytes.

        Raises:
            NoRoom: all requests together hold too many.
        """
        if size > self._room.left:
            raise NoRoom("Many large requests are being read; try again in a moment.")
        self._room.left -= size
        self._size += size

    def release(self) -> None:
        """Hold nothing any more."""
        self._room.left += self._size
        self._size = 0


class Room:
    """Room for bodies, of one process; used in its event loop alone."""

    def __init__(self, most: int = MOST_IN_HAND):
        self.left = most

    @contextmanager
    def held(self) -> Iterator[Held]:
        """What a request holds, until it has ended at the latest."""
        held = Held(self)
        try:
            yield held
        finally:
            held.release()
