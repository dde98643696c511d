"""Wait until other threads and processes do something, never for a fixed time."""

import time
from collections.abc import Callable
from typing import TypeVar

# Seconds. No test depends on the machine's speed: what takes one second on an idle machine may take
# minutes on a busy one. This limit only ends a wait for something that will never happen, so it is
# the same for all tests, and below pytest's own (`timeout` in pyproject.toml).
PATIENCE = 600.0

T = TypeVar("T")


def until(
    look: Callable[[], T],
    what: str,
    *,
    check: Callable[[], object] | None = None,
    seconds: float = PATIENCE,
) -> T:
    """Wait until `look` returns something true, and return it.

    Args:
        look: called repeatedly.
        what: what is awaited, for the message.
        check: called as often; raises if waiting is pointless, for example because a process ended.
        seconds: how long to wait at most.
    """
    end = time.monotonic() + seconds
    while not (found := look()):
        if check is not None:
            check()
        assert time.monotonic() < end, f"waited {seconds:.0f} s for {what}"
        time.sleep(0.02)
    return found
