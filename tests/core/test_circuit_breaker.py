"""Who asks a server that has not answered in time."""

import pytest

from core.circuit_breaker import Fuse


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds; a test moves them."""
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    return now


def test_nobody_asks_for_a_while_and_then_one(clock: list[float]) -> None:
    fuse = Fuse(timeout=10, rest=5)
    assert fuse.lets_ask() and fuse.lets_ask()
    fuse.blow()
    assert not fuse.lets_ask()
    clock[0] += 5
    assert [fuse.lets_ask() for _ in range(3)] == [True, False, False]
    fuse.blow()  # no answer for it either
    clock[0] += 4.9
    assert not fuse.lets_ask()
    clock[0] += 0.1
    assert fuse.lets_ask()
    fuse.mend()
    assert fuse.lets_ask() and fuse.lets_ask()


def test_whoever_asks_for_all_and_never_comes_back_is_not_waited_for(clock: list[float]) -> None:
    fuse = Fuse(timeout=10, rest=5)
    fuse.blow()
    clock[0] += 5
    assert fuse.lets_ask()
    clock[0] += 10
    assert fuse.lets_ask()
