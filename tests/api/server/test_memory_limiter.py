"""The memory for bodies is shared by callers: none may hold more than is left for the others."""

import pytest

from api.problems.errors import Overloaded, RateLimited
from api.server.memory_limiter import MemoryLimiter


def test_a_caller_holds_at_most_as_much_as_is_left() -> None:
    limiter = MemoryLimiter(100)
    with limiter.reservation("ann") as first, limiter.reservation("ann") as second:
        first.take(40)
        second.take(20)
        with pytest.raises(RateLimited):
            second.take(1)
        with limiter.reservation("ben") as other:
            other.take(30)  # one request alone may take what is left
            assert limiter.left == 10
        assert limiter.left == 40
        second.release()
        first.take(20)
    assert limiter.left == 100
    assert not limiter.held


def test_a_request_that_does_not_fit_is_not_its_callers_fault() -> None:
    limiter = MemoryLimiter(100)
    with limiter.reservation("ann") as first, limiter.reservation("ben") as second:
        first.take(60)
        with pytest.raises(Overloaded):
            second.take(41)
        second.take(40)
