"""Who asks a server that has not answered in time."""

import pytest

from core.circuit_breaker import CircuitBreaker


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds; a test moves them."""
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    return now


def test_nobody_asks_for_a_while_and_then_one(clock: list[float]) -> None:
    fuse = CircuitBreaker(timeout=10, open_seconds=5)
    assert fuse.allow() and fuse.allow()
    fuse.record_timeout()
    assert not fuse.allow()
    clock[0] += 5
    assert [fuse.allow() for _ in range(3)] == [True, False, False]
    fuse.record_timeout()  # no answer for it either
    clock[0] += 4.9
    assert not fuse.allow()
    clock[0] += 0.1
    assert fuse.allow()
    fuse.reset()
    assert fuse.allow() and fuse.allow()


def test_whoever_asks_for_all_and_never_comes_back_is_not_waited_for(clock: list[float]) -> None:
    fuse = CircuitBreaker(timeout=10, open_seconds=5)
    fuse.record_timeout()
    clock[0] += 5
    assert fuse.allow()
    clock[0] += 10
    assert fuse.allow()
