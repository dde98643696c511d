"""Callers take turns in a model's queue, by the cost of their edits; on a real Valkey."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import QueueFull
from core.schema import EditStatus, Priority, Result, Submission
from core.store import keys
from core.store.claims import Claim
from core.store.edits import EditStore

Make = Callable[..., Submission]

# Parameters of edits that cost 1, 3 and 48 times as much as the cheapest.
CHEAP: dict[str, Any] = {"inner_steps": 0, "num_inference_steps": 10}
USUAL: dict[str, Any] = {"inner_steps": 4, "num_inference_steps": 10}
DEAR: dict[str, Any] = {"inner_steps": 50, "num_inference_steps": 56, "strength": [0.1] * 8}


@pytest.fixture
def client(redis_url: str) -> Iterator[Any]:
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        yield client


def submitted(store: EditStore, made: Submission) -> str:
    store.submit(made, limit=10_000)
    return made.id


def claims(store: EditStore) -> Iterator[Claim]:
    """Claim edits until none waits."""
    while claim := store.claim("zoo"):
        yield claim


def position(store: EditStore, edit_id: str) -> int:
    snapshot = store.queue_snapshot(store.get(edit_id))
    assert snapshot is not None and snapshot.position is not None
    return snapshot.position


def positions(store: EditStore, edit_ids: list[str]) -> list[int]:
    return [position(store, edit_id) for edit_id in edit_ids]


def callers(store: EditStore, claimed: list[Claim]) -> list[str]:
    return [store.get(claim.id).submission.caller for claim in claimed]


def test_a_thousand_edits_of_one_caller_do_not_hold_up_another_callers_one(
    store: EditStore, submission: Make
) -> None:
    for _ in range(1000):
        submitted(store, submission(caller="ann"))
    one = submitted(store, submission(caller="ben"))
    assert position(store, one) == 1
    assert [claim.id for claim, _ in zip(claims(store), range(2), strict=False)][1] == one


def test_the_same_holds_while_the_thousand_are_under_way(
    store: EditStore, submission: Make
) -> None:
    for _ in range(1000):
        submitted(store, submission(caller="ann"))
    for _ in range(500):
        store.claim("zoo")
    one = submitted(store, submission(caller="ben", **DEAR))
    assert position(store, one) == 0


def test_many_callers_with_unequal_costs_get_equal_shares(
    store: EditStore, submission: Make
) -> None:
    kinds: list[dict[str, Any]] = [CHEAP, USUAL, {}, DEAR]
    asks = {f"caller {n}": kinds[n % len(kinds)] for n in range(12)}
    cost = {
        caller: submission(caller=caller, **params).params.work for caller, params in asks.items()
    }
    for caller, params in asks.items():
        for _ in range(12_000 // int(cost[caller])):
            submitted(store, submission(caller=caller, **params))
    served = dict.fromkeys(asks, 0.0)
    waiting = Counter({caller: 12_000 // int(cost[caller]) for caller in asks})
    for claim in claims(store):
        caller = store.get(claim.id).submission.caller
        served[caller] += cost[caller]
        waiting[caller] -= 1
        if not all(waiting.values()):
            break
        # The bound of start-time fair queuing (Goyal, Vin and Cheng 1996, theorem 1).
        for one, other in combinations(asks, 2):
            assert abs(served[one] - served[other]) <= cost[one] + cost[other]
    assert min(served.values()) > 7500


def test_a_position_tells_how_many_are_claimed_before(store: EditStore, submission: Make) -> None:
    waiting = [
        submitted(store, submission(caller=caller, **params))
        for caller, params in (("ann", DEAR), ("ann", CHEAP), ("ben", CHEAP), ("ben", {}))
        for _ in range(3)
    ]
    expected = sorted(waiting, key=lambda edit_id: position(store, edit_id))
    assert sorted(positions(store, waiting)) == list(range(12))
    assert [claim.id for claim in claims(store)] == expected


def test_a_caller_who_was_away_has_saved_no_turns(store: EditStore, submission: Make) -> None:
    submitted(store, submission(caller="ben"))
    for _ in range(20):
        submitted(store, submission(caller="ann"))
    for _ in range(15):
        store.claim("zoo")
    for _ in range(5):
        submitted(store, submission(caller="ben"))
    assert Counter(callers(store, list(claims(store))[:6])) == {"ann": 3, "ben": 3}


@pytest.mark.parametrize("order", [1, -1], ids=["oldest first", "newest first"])
def test_canceled_edits_cost_their_caller_nothing(
    store: EditStore, submission: Make, order: int
) -> None:
    mistakes = [submitted(store, submission(caller="ann", **DEAR)) for _ in range(20)]
    wanted = [submitted(store, submission(caller="ann")) for _ in range(2)]
    others = [submitted(store, submission(caller="ben")) for _ in range(2)]
    for edit_id in mistakes[::order]:
        store.cancel(edit_id, caller="ann")
    assert positions(store, wanted) == [0, 2]
    assert positions(store, others) == [1, 3]
    later = [submitted(store, submission(caller=caller)) for caller in ("ann", "ben")]
    assert positions(store, later) == [4, 5]


def test_an_edit_that_comes_back_keeps_its_place_and_is_paid_once(
    store: EditStore, submission: Make, client: Any
) -> None:
    for caller in ("ann", "ann", "ann", "ben", "ben"):
        submitted(store, submission(caller=caller))
    handed_back, _ = (store.claim("zoo") for _ in range(2))
    submitted(store, submission(caller="cara"))
    lost = store.claim("zoo")
    assert handed_back is not None and lost is not None
    store.claim("zoo")  # the clock goes on to ann's second; ben's second is next
    store.hand_back(handed_back)
    client.zadd(keys.RUNNING, {lost.id: 1})
    store.reclaim_expired_leases({"code": "worker_lost"})
    again = list(claims(store))
    assert [claim.id for claim in again[:2]] == [handed_back.id, lost.id]
    assert callers(store, again) == ["ann", "cara", "ben", "ann"]


def test_an_edit_that_came_back_and_is_canceled_brings_nobody_forward(
    store: EditStore, submission: Make
) -> None:
    submitted(store, submission(caller="ann", **DEAR))
    came_back = store.claim("zoo")
    assert came_back is not None
    for caller in ("ann", "ben"):
        for _ in range(8):
            submitted(store, submission(caller=caller))
    for _ in range(4):  # the clock goes on
        store.claim("zoo")
    store.hand_back(came_back)
    store.cancel(came_back.id, caller="ann")
    assert callers(store, list(claims(store)))[:5] == ["ann", "ann", "ben", "ann", "ben"]


def test_edits_of_an_earlier_version_get_their_turns(
    store: EditStore, submission: Make, client: Any
) -> None:
    waiting = [submitted(store, submission(caller=name)) for name in ("ann", "ann", "ben")]
    client.delete(keys.turns("zoo"), keys.turn_ends("zoo"), keys.TURN_CLOCKS)
    new = submitted(store, submission(caller="cara"))
    assert positions(store, [*waiting, new]) == [0, 3, 1, 2]
    assert {claim.id for claim in claims(store)} == {*waiting, new}


def test_what_a_stranger_writes_into_the_order_holds_nothing_up(
    store: EditStore, submission: Make, client: Any
) -> None:
    waiting = [submitted(store, submission(caller=name)) for name in ("ann", "ben")]
    client.zadd(keys.turns("zoo"), {"": -1, "no edit": 0, "edit_" + "0" * 32: "inf"})
    client.hset(keys.TURN_CLOCKS, "zoo", "nan")
    client.zadd(keys.turn_ends("zoo"), {"cara": "inf"})
    waiting.append(submitted(store, submission(caller="cara")))
    assert {claim.id for claim in claims(store)} == set(waiting)
    assert client.zcard(keys.turns("zoo")) == 0


def test_a_full_queue_still_takes_a_callers_first_edit(store: EditStore, submission: Make) -> None:
    for _ in range(3):
        store.submit(submission(caller="ann"), limit=3)
    for caller in ("ann", "ben"):
        if caller == "ben":
            store.submit(submission(caller="ben"), limit=3)
        with pytest.raises(QueueFull):
            store.submit(submission(caller=caller), limit=3)


def test_callers_whose_turns_are_over_are_forgotten(
    store: EditStore, submission: Make, client: Any
) -> None:
    for n in range(50):
        submitted(store, submission(caller=f"caller {n}"))
        submitted(store, submission(caller="ann"))
    list(claims(store))
    submitted(store, submission(caller="ann"))
    store.claim("zoo")
    assert client.zcard(keys.turn_ends("zoo")) == 1


@dataclass
class Queue:
    """What a queue must do, whatever happens to it."""

    store: EditStore
    submission: Make
    made: dict[str, Submission] = field(default_factory=dict)
    # by caller and priority, in their order
    waiting: dict[tuple[str, Priority], list[str]] = field(default_factory=dict)
    running: list[Claim] = field(default_factory=list)

    def submit(self, caller: str, params: dict[str, Any], priority: Priority) -> None:
        one = self.submission(caller=caller, priority=priority, **params)
        self.made[submitted(self.store, one)] = one
        self.line(one.id).append(one.id)

    def line(self, edit_id: str) -> list[str]:
        made = self.made[edit_id]
        return self.waiting.setdefault((made.caller, made.priority), [])

    def claim(self) -> str | None:
        """Claim an edit: its caller's oldest of its priority."""
        claim = self.store.claim("zoo")
        if claim is None:
            assert not any(self.waiting.values())
            return None
        self.running.append(claim)
        assert self.line(claim.id).pop(0) == claim.id
        return claim.id

    def cancel(self, choice: int) -> None:
        queued = [one for ids in self.waiting.values() for one in ids]
        if queued:
            one = queued[choice % len(queued)]
            assert self.store.cancel(one, caller=self.made[one].caller) is EditStatus.QUEUED
            self.line(one).remove(one)

    def hand_back(self, choice: int) -> None:
        if self.running:
            claim = self.running.pop(choice % len(self.running))
            self.store.hand_back(claim)
            ids = self.line(claim.id)
            ids.append(claim.id)
            ids.sort()

    def finish(self, choice: int) -> None:
        if self.running:
            claim = self.running.pop(choice % len(self.running))
            self.store.finish(claim, EditStatus.SUCCEEDED, result=Result())


CALLERS = st.sampled_from(["ann", "ben", "cara"])
COSTS = st.sampled_from([CHEAP, USUAL, {}, DEAR])
SUBMISSIONS = st.tuples(st.just("submit"), st.tuples(CALLERS, COSTS, st.just(Priority.INTERACTIVE)))
ANY_PRIORITY = st.tuples(
    st.just("submit"), st.tuples(CALLERS, COSTS, st.sampled_from(list(Priority)))
)
CHOICES = st.integers(0, 100)
CLAIMS = st.tuples(st.just("claim"), st.just(()))
CANCELS, ENDS, RETURNS = (
    st.tuples(st.just(name), st.tuples(CHOICES)) for name in ("cancel", "finish", "hand_back")
)
RULES = settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@RULES
@given(
    moves=st.lists(
        ANY_PRIORITY | ANY_PRIORITY | CLAIMS | CANCELS | ENDS | RETURNS, min_size=10, max_size=60
    )
)
def test_whatever_happens_no_edit_is_lost_or_claimed_twice_and_positions_are_true(
    store: EditStore, submission: Make, client: Any, moves: list[tuple[str, Any]]
) -> None:
    client.flushdb()
    queue = Queue(store, submission)
    for name, arguments in moves:
        getattr(queue, name)(*arguments)
    queued = [one for ids in queue.waiting.values() for one in ids]
    by_position = sorted(queued, key=lambda one: position(store, one))
    assert sorted(positions(store, queued)) == list(range(len(queued)))
    assert [queue.claim() for _ in queued] == by_position
    assert queue.claim() is None
    lines = (keys.turns("zoo"), keys.batch_turns("zoo"), keys.waiting("zoo"))
    assert [client.zcard(line) for line in lines] == [0, 0, 0]


@RULES
@given(moves=st.lists(SUBMISSIONS | SUBMISSIONS | CLAIMS | CANCELS, min_size=20, max_size=80))
def test_while_two_callers_wait_neither_gets_ahead_by_more_than_an_edit_of_each(
    store: EditStore, submission: Make, client: Any, moves: list[tuple[str, Any]]
) -> None:
    client.flushdb()
    queue = Queue(store, submission)
    dearest = submission(**DEAR).params.work
    served = {"ann": 0.0, "ben": 0.0}  # since both began to wait
    for name, arguments in moves:
        claimed = getattr(queue, name)(*arguments)
        if claimed:
            one = queue.made[claimed]
            served[one.caller] = served.get(one.caller, 0.0) + one.params.work
        both = (("ann", Priority.INTERACTIVE), ("ben", Priority.INTERACTIVE))
        if not all(queue.waiting.get(one) for one in both):
            served = {"ann": 0.0, "ben": 0.0}
        assert abs(served["ann"] - served["ben"]) <= 2 * dearest
