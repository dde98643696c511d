"""A circuit breaker: after a timeout, calls to a server that hangs fail at once for a while."""

import time


class CircuitBreaker:
    """Opens after a timeout. While open, one trial call is let through now and then.

    Without it, a server that hangs would hold every caller for the whole timeout, one after
    another. Threads may share a breaker: a race costs one more trial call.
    """

    def __init__(self, *, timeout: float, open_seconds: float):
        """Create a closed breaker.

        Args:
            timeout: seconds after which a call counts as timed out.
            open_seconds: seconds without any call after a timeout.
        """
        self._timeout, self._open_seconds = timeout, open_seconds
        self._next_trial_at = 0.0  # monotonic; 0 while closed

    def allow(self) -> bool:
        """Return whether to make a call.

        While the breaker is open, one caller per timeout may try; all others are refused until
        that call ends.
        """
        if self._next_trial_at:
            now = time.monotonic()
            if now < self._next_trial_at:
                return False
            self._next_trial_at = now + self._timeout
        return True

    def record_timeout(self) -> None:
        """Open the breaker: a call timed out."""
        self._next_trial_at = time.monotonic() + self._open_seconds

    def reset(self) -> None:
        """Close the breaker: the server answered."""
        self._next_trial_at = 0.0
