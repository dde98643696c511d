"""A fuse before what may hang: a server that does not answer holds up few, and not for long."""

import time


class CircuitBreaker:
    """Blown by an answer that did not come in time; then one asks now and then, the others do not.

    Without it a server that hangs holds every caller, one after another, for the whole time-out.
    Threads may share one: what a race costs is a question more.
    """

    def __init__(self, *, timeout: float, open_seconds: float):
        """Whole.

        Args:
            timeout: seconds that an answer is waited for.
            rest: seconds that nobody asks once none came.
        """
        self._timeout, self._open_seconds = timeout, open_seconds
        self._asked_again_at = 0.0  # monotonic; 0 while it is whole

    def allow(self) -> bool:
        """Whether to ask at all. Whoever may while it is blown asks for all: they wait for that."""
        if self._asked_again_at:
            now = time.monotonic()
            if now < self._asked_again_at:
                return False
            self._asked_again_at = now + self._timeout
        return True

    def record_timeout(self) -> None:
        """No answer came in time."""
        self._asked_again_at = time.monotonic() + self._open_seconds

    def reset(self) -> None:
        """An answer came."""
        self._asked_again_at = 0.0
