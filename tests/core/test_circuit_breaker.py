"""Which calls a circuit breaker allows after a timeout."""

import pytest

from core.circuit_breaker import CircuitBreaker


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The monotonic time in seconds, which a test can move."""
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    return now


def test_nobody_asks_for_a_while_and_then_one(clock: list[float]) -> None:
    breaker = CircuitBreaker(timeout=10, open_seconds=5)
    assert breaker.allow() and breaker.allow()
    breaker.record_timeout()
    assert not breaker.allow()
    clock[0] += 5
    assert [breaker.allow() for _ in range(3)] == [True, False, False]
    breaker.record_timeout()  # the trial call timed out too
    clock[0] += 4.9
    assert not breaker.allow()
    clock[0] += 0.1
    assert breaker.allow()
    breaker.reset()
    assert breaker.allow() and breaker.allow()


def test_whoever_asks_for_all_and_never_comes_back_is_not_waited_for(clock: list[float]) -> None:
    breaker = CircuitBreaker(timeout=10, open_seconds=5)
    breaker.record_timeout()
    clock[0] += 5
    assert breaker.allow()
    clock[0] += 10
    assert breaker.allow()
