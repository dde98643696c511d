"""The queue and the log of webhook deliveries on a real Valkey."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
import redis

from core.errors import DeliveryNotFound
from core.schema import EditStatus, Stage, Submission
from core.store import keys
from core.store.claims import Claim
from core.store.connection import connect
from core.store.edits import EditStore
from core.store.housekeeping import MAX_ATTEMPTS
from core.store.stats import StatsReader
from core.webhooks.queue import MAX_LOGGED_ATTEMPTS, Deliveries, Delivery, Outcome
from core.webhooks.schema import DeliveryAttempt, DeliveryError, DeliveryStatus

Make = Callable[..., Submission]
Pass = Callable[[float], None]

URL = "https://hooks.example/x"
LOST = {"code": "worker_lost", "detail": "lost"}


def claimed(store: EditStore, made: Submission) -> Claim:
    store.submit(made, limit=1000)
    claim = store.claim(made.model)
    assert claim is not None
    return claim


def ended(store: EditStore, made: Submission, status: EditStatus = EditStatus.SUCCEEDED) -> Claim:
    claim = claimed(store, made)
    store.finish(claim, status)
    return claim


def taken(deliveries: Deliveries, *busy: str) -> Delivery:
    found = deliveries.take(busy)
    assert found is not None
    return found


def every(deliveries: Deliveries) -> list[Delivery]:
    return list(iter(deliveries.take, None))


def outcome(
    status: int | None = 500, *, retry_after: float | None = 0, gone: bool = False
) -> Outcome:
    error = DeliveryError.TIMEOUT if status is None else None
    attempt = DeliveryAttempt(at=datetime.now(UTC), seconds=0.1, status=status, error=error)
    if status == 204:
        return Outcome(attempt, DeliveryStatus.DELIVERED)
    to = DeliveryStatus.FAILED if retry_after is None else DeliveryStatus.PENDING
    return Outcome(attempt, to, retry_after=retry_after, gone=gone)


@pytest.mark.parametrize("status", [EditStatus.SUCCEEDED, EditStatus.FAILED, EditStatus.CANCELED])
def test_a_webhook_is_due_once_for_the_final_status(
    store: EditStore, deliveries: Deliveries, submission: Make, status: EditStatus
) -> None:
    claim = ended(store, submission(webhook_url=URL), status)
    assert [(d.subject_id, d.type, d.url, d.tries) for d in every(deliveries)] == [
        (claim.id, f"edit.{status}", URL, 1)
    ]
    store.finish(claim, status)  # sent again, as after a lost answer: nothing is published twice
    assert every(deliveries) == []  # claimed, so not due for a minute


def test_no_webhook_is_due_where_none_was_asked_for(
    store: EditStore, deliveries: Deliveries, submission: Make
) -> None:
    ended(store, submission())
    ended(store, submission(webhook_url=URL, webhook_events=["edit.failed"]))
    assert every(deliveries) == []


def test_a_start_is_told_once_where_it_was_asked_for(
    store: EditStore, deliveries: Deliveries, submission: Make
) -> None:
    claim = claimed(store, submission(webhook_url=URL, webhook_events=["edit.started"]))
    assert [delivery.type for delivery in every(deliveries)] == ["edit.started"]
    store.hand_back(claim)
    assert store.claim("zoo") is not None
    assert every(deliveries) == []


def test_a_canceled_or_lost_edit_is_told_too(
    store: EditStore, deliveries: Deliveries, submission: Make, redis_url: str
) -> None:
    canceled = submission(webhook_url=URL)
    store.submit(canceled, limit=10)
    store.cancel(canceled.id, caller="local")
    lost = submission(webhook_url=URL)
    store.submit(lost, limit=10)
    with redis.Redis.from_url(redis_url) as client:
        for _ in range(MAX_ATTEMPTS):
            store.claim("zoo")
            client.zadd(keys.RUNNING, {lost.id: 1})
            store.reclaim_expired_leases(LOST)
    assert {(d.subject_id, d.type) for d in every(deliveries)} == {
        (canceled.id, "edit.canceled"),
        (lost.id, "edit.failed"),
    }


def test_a_delivery_comes_again_when_it_is_due_and_never_once_settled(
    store: EditStore, deliveries: Deliveries, submission: Make, let_time_pass: Pass
) -> None:
    ended(store, submission(webhook_url=URL))
    first = taken(deliveries)
    deliveries.settle(first, outcome(retry_after=300))
    let_time_pass(299)
    assert deliveries.take() is None
    let_time_pass(1)
    again = taken(deliveries)
    assert (again.id, again.tries) == (first.id, 2)
    deliveries.settle(again, outcome(204))
    let_time_pass(1e6)
    assert deliveries.take() is None


def test_attempts_are_counted_by_where_they_leave_the_webhook(
    store: EditStore, deliveries: Deliveries, submission: Make, redis_url: str
) -> None:
    for outcomes in ([outcome(), outcome(204)], [outcome(retry_after=None)]):
        ended(store, submission(webhook_url=URL))
        for one in outcomes:
            deliveries.settle(taken(deliveries), one)
    with connect(redis_url) as client:
        assert StatsReader(client).read().attempted == {"pending": 1, "delivered": 1, "failed": 1}


def test_one_that_is_never_settled_is_due_again_after_its_lease(
    store: EditStore, deliveries: Deliveries, submission: Make, let_time_pass: Pass
) -> None:
    # Its housekeeper was killed while it was sending.
    ended(store, submission(webhook_url=URL))
    first = taken(deliveries)
    let_time_pass(60)
    assert taken(deliveries).id == first.id


def test_a_busy_receiver_is_passed_over_until_it_has_room(
    store: EditStore, deliveries: Deliveries, submission: Make
) -> None:
    slow = ["https://slow.example/a", "https://slow.example/b?c", "https://SLOW.example#d"]
    for url in (*slow, URL):
        ended(store, submission(webhook_url=url))
    first = taken(deliveries)
    assert first.receiver == "https://slow.example"
    assert taken(deliveries, first.receiver).url == URL
    assert deliveries.take([first.receiver]) is None
    assert [d.url for d in every(deliveries)] == slow[1:]


def test_gone_stops_what_would_have_been_told_of_the_edit(
    store: EditStore, deliveries: Deliveries, submission: Make
) -> None:
    events = ["edit.started", "edit.succeeded"]
    claim = claimed(store, submission(webhook_url=URL, webhook_events=events))
    deliveries.settle(taken(deliveries), outcome(410, retry_after=None, gone=True))
    store.finish(claim, EditStatus.SUCCEEDED)
    assert deliveries.take() is None
    assert store.get(claim.id).submission.params.webhook_url == URL  # as requested


def test_a_webhook_of_an_edit_that_was_deleted_meanwhile_is_settled_for_good(
    store: EditStore, deliveries: Deliveries, submission: Make, redis_url: str
) -> None:
    claim = ended(store, submission(webhook_url=URL))
    delivery = taken(deliveries)
    deliveries.settle(delivery, outcome(retry_after=0))
    delivery = taken(deliveries)
    store.delete(claim.id, caller="local")
    deliveries.settle(delivery, outcome(410, retry_after=None, gone=True))
    assert deliveries.take() is None
    with redis.Redis.from_url(redis_url) as client:
        assert client.keys(keys.PREFIX + "deliver*") == []
        assert not client.exists(keys.edit(claim.id))


# --- progress


PROGRESS = ["edit.progress", "edit.succeeded"]


def test_progress_waits_once_and_is_taken_once(
    store: EditStore, deliveries: Deliveries, submission: Make, let_time_pass: Pass
) -> None:
    claim = claimed(store, submission(webhook_url=URL, webhook_events=PROGRESS))
    for share in (0.1, 0.2, 0.3):
        store.report(claim, Stage.EDITING, share)
    (first,) = every(deliveries)
    assert (first.type, first.tries) == ("edit.progress", 0)
    deliveries.settle(first, outcome(500))
    let_time_pass(1e6)
    assert deliveries.take() is None
    assert deliveries.of(claim.id) == []


def test_progress_is_told_at_most_twice_a_second(
    store: EditStore, deliveries: Deliveries, submission: Make, let_time_pass: Pass
) -> None:
    claim = claimed(store, submission(webhook_url=URL, webhook_events=PROGRESS))
    store.report(claim, Stage.EDITING, 0.1)
    first = taken(deliveries)
    store.report(claim, Stage.EDITING, 0.2)
    assert deliveries.take() is None
    let_time_pass(0.5)
    second = taken(deliveries)
    assert second.id != first.id


def test_progress_that_was_not_told_in_time_is_not_told(
    store: EditStore, deliveries: Deliveries, submission: Make
) -> None:
    claim = claimed(store, submission(webhook_url=URL, webhook_events=PROGRESS))
    store.report(claim, Stage.EDITING, 0.1)
    store.finish(claim, EditStatus.SUCCEEDED)
    assert [d.type for d in every(deliveries)] == ["edit.succeeded"]


# --- the log and replays


def test_the_log_says_what_was_sent_when_with_what_answer(
    store: EditStore, deliveries: Deliveries, submission: Make
) -> None:
    claim = claimed(
        store, submission(webhook_url=URL, webhook_events=["edit.started", "edit.failed"])
    )
    deliveries.settle(taken(deliveries), outcome(204))
    store.finish(claim, EditStatus.FAILED)
    deliveries.settle(taken(deliveries), outcome(None, retry_after=300))

    started, failed = deliveries.of(claim.id)
    assert (started.type, started.status, started.next_attempt_at) == (
        "edit.started",
        DeliveryStatus.DELIVERED,
        None,
    )
    assert [attempt.status for attempt in started.attempts] == [204]
    assert (failed.type, failed.status, failed.url) == ("edit.failed", "pending", URL)
    assert [attempt.error for attempt in failed.attempts] == [DeliveryError.TIMEOUT]
    assert failed.next_attempt_at is not None
    wait = (failed.next_attempt_at - datetime.now(UTC)).total_seconds()
    assert wait == pytest.approx(300, abs=5)


def test_the_log_is_bounded(store: EditStore, deliveries: Deliveries, submission: Make) -> None:
    claim = ended(store, submission(webhook_url=URL))
    for number in range(MAX_LOGGED_ATTEMPTS + 5):
        deliveries.settle(taken(deliveries), outcome(400 + number))
    deliveries.settle(taken(deliveries), outcome(204))
    (delivery,) = deliveries.of(claim.id)
    assert len(delivery.attempts) == MAX_LOGGED_ATTEMPTS
    assert delivery.attempts[-1].status == 204


@pytest.mark.parametrize("last", [outcome(204), outcome(410, retry_after=None, gone=True)])
def test_an_ended_delivery_is_sent_again_under_its_id(
    store: EditStore, deliveries: Deliveries, submission: Make, last: Outcome
) -> None:
    claim = ended(store, submission(webhook_url=URL))
    first = taken(deliveries)
    deliveries.settle(first, last)
    replayed = deliveries.replay(first.id, claim.id)
    assert (replayed.id, replayed.status) == (first.id, DeliveryStatus.PENDING)
    again = taken(deliveries)
    assert (again.id, again.tries) == (first.id, 1)  # the schedule restarts
    deliveries.settle(again, outcome(204))
    (delivery,) = deliveries.of(claim.id)
    assert len(delivery.attempts) == 2


def test_an_attempt_that_a_replay_has_overtaken_decides_nothing_more(
    store: EditStore, deliveries: Deliveries, submission: Make
) -> None:
    claim = ended(store, submission(webhook_url=URL))
    before = taken(deliveries)
    deliveries.replay(before.id, claim.id)
    after = taken(deliveries)
    assert (before.tries, after.tries) == (1, 1)
    deliveries.settle(before, outcome(204))
    assert deliveries.of(claim.id)[0].status == "pending"
    deliveries.settle(after, outcome(retry_after=0))
    assert taken(deliveries).id == before.id


def test_only_the_edits_own_deliveries_can_be_sent_again(
    store: EditStore, deliveries: Deliveries, submission: Make
) -> None:
    ours = ended(store, submission(webhook_url=URL))
    delivery = taken(deliveries)
    deliveries.settle(delivery, outcome(204))
    other = ended(store, submission(webhook_url=URL))
    for wrong in (delivery.id + "x", delivery.id + ":attempts", "msg_", ""):
        with pytest.raises(DeliveryNotFound):
            deliveries.replay(wrong, ours.id)
    with pytest.raises(DeliveryNotFound):
        deliveries.replay(delivery.id, other.id)
