"""Waiting for what other threads and processes do: with a deadline, never for a fixed time."""

import time
from collections.abc import Callable
from typing import TypeVar

PATIENCE = 60.0  # seconds for what takes a few on an idle machine

T = TypeVar("T")


def until(look: Callable[[], T], what: str, *, within: float = PATIENCE) -> T:
    """Wait for something that is true, and give it."""
    end = time.monotonic() + within
    while not (found := look()):
        assert time.monotonic() < end, f"waited {within:.0f} s for {what}"
        time.sleep(0.02)
    return found
