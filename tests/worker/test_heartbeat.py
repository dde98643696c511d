"""A lease that a thread renews. It lasts 12 s; a renewal is due every 3 s."""

import time
from collections.abc import Callable

import pytest
import redis

from core.errors import StaleAttempt
from core.schema import EditStatus
from core.store import keys
from core.store.claims import LEASE_SECONDS, Claim
from core.store.edits import EditStore
from tests.support.waiting import until
from worker.heartbeat import LeaseRenewer


@pytest.fixture
def claim(store: EditStore, submit: Callable[..., str]) -> Claim:
    submit()
    claim = store.claim("zoo")
    assert claim is not None
    return claim


@pytest.fixture
def lease_ends(redis_url: str) -> Callable[[Claim], float]:
    """Return a function that reads when an attempt's lease expires, in Redis's ms."""

    def read(claim: Claim) -> float:
        with redis.Redis.from_url(redis_url) as client:
            score = client.zscore(keys.RUNNING, claim.id)
        assert isinstance(score, float)
        return score

    return read


def test_a_lease_is_renewed_where_nothing_is_reported(
    store: EditStore, claim: Claim, lease_ends: Callable[[Claim], float]
) -> None:
    before = lease_ends(claim)
    with LeaseRenewer(store, claim) as lease:
        until(lambda: lease_ends(claim) > before, "a renewal")
        assert not lease.lost
    assert store.get(claim.id).status is EditStatus.RUNNING


def test_a_lease_that_went_to_another_attempt_is_noted_and_not_fought_for(
    store: EditStore,
    claim: Claim,
    let_lease_run_out: Callable[[str], None],
    lease_ends: Callable[[Claim], float],
) -> None:
    with LeaseRenewer(store, claim) as lease:
        let_lease_run_out(claim.id)
        store.reclaim_expired_leases({"code": "worker_lost"})
        other = store.claim("zoo")
        assert other == Claim(claim.id, 2)
        before = lease_ends(other)
        until(lambda: lease.lost, "the loss to be noted")
        assert lease_ends(other) == before
    with pytest.raises(StaleAttempt):
        store.finish(claim, EditStatus.SUCCEEDED)


def test_leaving_the_with_ends_at_once(store: EditStore, claim: Claim) -> None:
    seconds = []
    for _ in range(3):
        with LeaseRenewer(store, claim):
            started = time.monotonic()
        seconds.append(time.monotonic() - started)
    # An end that waits for the next renewal takes this long every time.
    assert min(seconds) < LEASE_SECONDS / 4
