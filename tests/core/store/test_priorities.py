"""Interactive edits go first, and batch edits are never kept waiting for good; on a real Valkey."""

from collections.abc import Callable, Iterator
from itertools import groupby
from typing import Any

import pytest
import redis

from core.errors import QueueFull
from core.schema import EditStatus, Priority, Submission
from core.store import keys
from core.store.edits import EditStore

Make = Callable[..., Submission]

MAX_IN_A_ROW = 9  # as lua/turns.lua and docs/api.md have it


@pytest.fixture
def client(redis_url: str) -> Iterator[Any]:
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        yield client


@pytest.fixture
def submit(store: EditStore, submission: Make) -> Callable[..., list[str]]:
    """Return a function that queues edits: `submit(3, "batch", caller="ann")`."""

    def make(count: int, priority: str = "interactive", *, caller: str = "local") -> list[str]:
        made = [submission(caller=caller, priority=Priority(priority)) for _ in range(count)]
        for one in made:
            store.submit(one, limit=10_000)
        return [one.id for one in made]

    return make


Submit = Callable[..., list[str]]


def claimed(store: EditStore, count: int = 10_000) -> list[str]:
    """Claim edits and return their ids, until none waits."""
    claims = (store.claim("zoo") for _ in range(count))
    return [claim.id for claim in iter(lambda: next(claims, None), None)]


def place(store: EditStore, edit_id: str) -> int:
    snapshot = store.queue_snapshot(store.get(edit_id))
    assert snapshot is not None and snapshot.position is not None
    return snapshot.position


def test_an_interactive_edit_goes_before_a_thousand_batch_edits(
    store: EditStore, submit: Submit
) -> None:
    batch = submit(1000, "batch", caller="ann")
    (one,) = submit(1, caller="ann")  # of the same caller
    assert place(store, one) == 0
    assert place(store, batch[0]) == 1
    assert claimed(store, 2) == [one, batch[0]]


def test_of_ten_claims_one_is_a_batch_edit_while_both_wait(
    store: EditStore, submit: Submit
) -> None:
    batch, interactive = submit(5, "batch"), submit(60)
    order = claimed(store)
    assert sorted(order) == sorted(batch + interactive)
    runs = [(is_batch, len(list(ids))) for is_batch, ids in groupby(order, batch.__contains__)]
    assert runs == [(False, MAX_IN_A_ROW), (True, 1)] * 5 + [(False, 60 - 5 * MAX_IN_A_ROW)]


def test_a_batch_edit_that_comes_to_a_busy_queue_waits_for_as_many_as_any_other(
    store: EditStore, submit: Submit
) -> None:
    submit(50)
    claimed(store, 30)  # no batch edit waited, so none is owed its turn
    (late,) = submit(1, "batch")
    assert place(store, late) == MAX_IN_A_ROW
    assert claimed(store, MAX_IN_A_ROW + 1)[-1] == late


def test_positions_in_both_lines_are_the_order_of_claims_at_any_moment(
    store: EditStore, submit: Submit
) -> None:
    waiting = set(submit(4, "batch") + submit(25))
    for step in range(4):
        claims = claimed(store, 4)  # so that a row is in progress each time
        waiting = (waiting | set(submit(step, "batch") + submit(1))) - set(claims)
        places = {edit_id: place(store, edit_id) for edit_id in waiting}
        assert sorted(places.values()) == list(range(len(waiting)))
    assert claimed(store) == sorted(waiting, key=places.__getitem__)


def test_within_the_batch_line_callers_take_turns(store: EditStore, submit: Submit) -> None:
    submit(1000, "batch", caller="ann")
    (one,) = submit(1, "batch", caller="ben")
    assert place(store, one) == 1
    assert claimed(store, 2)[1] == one


def test_what_a_caller_had_in_one_line_costs_it_nothing_in_the_other(
    store: EditStore, submit: Submit
) -> None:
    submit(100, "batch", caller="ann")
    ann, ben = (submit(2, caller=caller) for caller in ("ann", "ben"))
    assert [place(store, edit_id) for edit_id in ann] == [0, 2]
    assert [place(store, edit_id) for edit_id in ben] == [1, 3]


def test_a_canceled_batch_edit_brings_its_callers_others_forward(
    store: EditStore, submit: Submit
) -> None:
    mistakes, wanted = (submit(count, "batch", caller="ann") for count in (20, 2))
    others = submit(2, "batch", caller="ben")
    for edit_id in mistakes:
        store.cancel(edit_id, caller="ann")
    assert [place(store, edit_id) for edit_id in (*wanted, *others)] == [0, 2, 1, 3]


def test_batch_edits_keep_no_interactive_one_out_of_a_full_queue(
    store: EditStore, submission: Make
) -> None:
    for _ in range(3):
        store.submit(submission(caller="ann", priority=Priority.BATCH), limit=3)
    with pytest.raises(QueueFull):
        store.submit(submission(caller="ann", priority=Priority.BATCH), limit=3)
    for _ in range(3):
        store.submit(submission(caller="ann"), limit=3)
    with pytest.raises(QueueFull):
        store.submit(submission(caller="ann"), limit=3)


def test_a_handed_back_batch_edit_stays_in_its_line(store: EditStore, submit: Submit) -> None:
    batch = submit(2, "batch")
    claim = store.claim("zoo")
    assert claim is not None and claim.id == batch[0]
    interactive = submit(1)
    store.hand_back(claim)
    assert claimed(store) == interactive + batch


def test_a_deleted_batch_edit_leaves_its_line(
    store: EditStore, submit: Submit, client: Any
) -> None:
    batch = submit(2, "batch")
    store.delete(batch[0], caller="local")
    assert client.zrange(keys.batch_turns("zoo"), 0, -1) == batch[1:]
    assert store.cancel(batch[1], caller="local") is EditStatus.QUEUED
    assert client.zcard(keys.batch_turns("zoo")) == 0


def test_a_worker_of_an_earlier_version_beside_us_loses_no_batch_edit(
    store: EditStore, submit: Submit, client: Any
) -> None:
    batch, interactive = submit(3, "batch"), submit(2)
    # It knows one line: it gives each edit without a turn there one, and claims the first.
    client.zadd(keys.turns("zoo"), dict.fromkeys(batch, 0))
    assert claimed(store) == interactive + batch


def test_damage_to_the_count_holds_nothing_up(
    store: EditStore, submit: Submit, client: Any
) -> None:
    ids = submit(3, "batch") + submit(12)
    for damage in ("x", "nan", "-5", "1e99"):
        client.hset(keys.IN_A_ROW, "zoo", damage)
        assert sorted(place(store, one) for one in ids) == list(range(len(ids)))
    client.set(keys.IN_A_ROW, "x")
    assert sorted(claimed(store)) == sorted(ids)
