"""The store's moves on a real Valkey. Workers are calls of the store's methods for them."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
import redis

from core.errors import (
    EditNotFound,
    QueueFull,
    StaleAttempt,
    StoreUnavailable,
    TooManyInFlight,
)
from core.images.keys import photo_prefix
from core.schema import LEGAL_MOVES, EditStatus, Model, Result, Stage, Submission
from core.store import keys
from core.store.claims import LEASE_SECONDS, Claim
from core.store.connection import connect
from core.store.edits import EditStore
from core.store.estimates import eta_seconds
from core.store.housekeeping import MAX_ATTEMPTS
from tests.support.listing import listed

Make = Callable[..., Submission]

LOST = {"code": "worker_lost", "detail": "lost"}


@pytest.fixture
def client(redis_url: str) -> Iterator[Any]:
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        yield client


def submitted(store: EditStore, made: Submission, *, limit: int = 100) -> str:
    store.submit(made, limit=limit)
    return made.id


def claimed(store: EditStore, submission: Submission) -> Claim:
    submitted(store, submission)
    claim = store.claim(submission.model)
    assert claim is not None
    return claim


def place(store: EditStore, edit_id: str) -> int | None:
    queue_snapshot = store.queue_snapshot(store.get(edit_id))
    assert queue_snapshot is not None
    return queue_snapshot.position


def let_lease_run_out(redis_url: str, *edit_ids: str) -> None:
    """Move leases into the past instead of waiting 12 s in each test."""
    with redis.Redis.from_url(redis_url) as client:
        client.zadd(keys.RUNNING, dict.fromkeys(edit_ids, 1))


def test_a_submitted_edit_is_queued_as_it_was_asked(store: EditStore, submission: Make) -> None:
    made = submission(seed=7, metadata={"a": "b"})
    record = store.get(submitted(store, made))
    assert record.submission == made
    assert (record.status, record.attempt, record.progress) == (EditStatus.QUEUED, 0, 0)
    assert record.started_at is None
    assert abs((record.queued_at - datetime.now(UTC)).total_seconds()) < 5


def test_a_submission_sent_twice_does_not_undo_what_came_between(
    store: EditStore, submission: Make
) -> None:
    # The client library does this if the connection breaks before the answer.
    made = submission()
    claim = claimed(store, made)
    store.submit(made, limit=100)
    assert store.report(claim, Stage.EDITING, 0.5) is False
    assert store.claim(made.model) is None


def test_edits_are_claimed_in_the_order_of_their_acceptance(
    store: EditStore, submission: Make
) -> None:
    ids = []
    for _ in range(3):
        ids.append(submitted(store, submission()))
        time.sleep(0.002)  # edits are ordered by milliseconds
    assert [place(store, edit_id) for edit_id in ids] == [0, 1, 2]
    claims = [store.claim("zoo") for _ in range(4)]
    assert [claim and claim.id for claim in claims] == [*ids, None]


def test_a_worker_gets_edits_of_its_own_model_only(store: EditStore, submission: Make) -> None:
    submitted(store, submission(model="other"))
    assert store.claim("zoo") is None
    assert store.claim("other") is not None


def test_a_claim_runs_the_edit_under_the_attempts_number(
    store: EditStore, submission: Make
) -> None:
    claim = claimed(store, submission())
    record = store.get(claim.id)
    assert (record.status, record.stage, claim.token) == (EditStatus.RUNNING, Stage.LOADING, 1)
    assert record.started_at is not None
    assert place(store, claim.id) is None


def test_many_workers_never_claim_one_edit_twice(store: EditStore, submission: Make) -> None:
    ids = {submitted(store, submission()) for _ in range(40)}
    claims: list[Claim] = []

    def work() -> None:
        while claim := store.claim("zoo"):
            claims.append(claim)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(claims) == 40
    assert {claim.id for claim in claims} == ids


def test_progress_never_falls_within_an_attempt(store: EditStore, submission: Make) -> None:
    claim = claimed(store, submission())
    seen = []
    for progress in (0.2, 0.6, 0.4):
        store.report(claim, Stage.TUNING, progress)
        seen.append(store.get(claim.id).progress)
    assert seen == [0.2, 0.6, 0.6]


def test_a_new_attempt_begins_at_nothing(
    store: EditStore, submission: Make, redis_url: str
) -> None:
    claim = claimed(store, submission())
    store.report(claim, Stage.TUNING, 0.6)
    let_lease_run_out(redis_url, claim.id)
    store.reclaim_expired_leases(LOST)
    record = store.get(claim.id)
    assert (record.status, record.progress, record.stage) == (EditStatus.QUEUED, 0, None)


@pytest.mark.parametrize("status", [EditStatus.SUCCEEDED, EditStatus.FAILED, EditStatus.CANCELED])
def test_an_attempt_ends_its_edit(store: EditStore, submission: Make, status: EditStatus) -> None:
    claim = claimed(store, submission())
    error = {"code": "model_error"} if status is EditStatus.FAILED else None
    result = Result() if status is EditStatus.SUCCEEDED else None
    store.finish(claim, status, result=result, error=error)
    record = store.get(claim.id)
    assert (record.status, record.error, record.result) == (status, error, result)
    assert record.completed_at is not None
    assert record.stage is None
    assert record.progress == (1 if status is EditStatus.SUCCEEDED else 0)


def test_every_move_out_of_a_final_status_is_refused() -> None:
    assert {status for status in EditStatus if status.final} == {
        status for status, to in LEGAL_MOVES.items() if not to
    }
    assert EditStatus.SUCCEEDED.final
    assert not EditStatus.RUNNING.final


def test_a_finished_attempt_cannot_speak_again(store: EditStore, submission: Make) -> None:
    claim = claimed(store, submission())
    store.finish(claim, EditStatus.SUCCEEDED, result=Result())
    with pytest.raises(StaleAttempt):
        store.finish(claim, EditStatus.FAILED, error=LOST)
    with pytest.raises(StaleAttempt):
        store.report(claim, Stage.EDITING, 0.5)
    assert store.get(claim.id).status is EditStatus.SUCCEEDED


def test_only_the_attempt_that_holds_the_lease_publishes(
    store: EditStore, submission: Make, redis_url: str
) -> None:
    lost = claimed(store, submission())
    let_lease_run_out(redis_url, lost.id)
    assert store.reclaim_expired_leases(LOST) == [(lost.id, "zoo", EditStatus.QUEUED)]
    second = store.claim("zoo")
    assert second == Claim(lost.id, 2)
    for speak in (
        lambda: store.report(lost, Stage.EDITING, 0.9),
        lambda: store.renew(lost),
        lambda: store.finish(lost, EditStatus.SUCCEEDED, result=Result()),
    ):
        with pytest.raises(StaleAttempt):
            speak()
    store.finish(second, EditStatus.SUCCEEDED, result=Result())
    assert store.get(lost.id).attempt == 2


@pytest.mark.parametrize("renewal", ["renew", "report"])
def test_a_worker_that_speaks_keeps_its_lease(
    store: EditStore, submission: Make, redis_url: str, renewal: str
) -> None:
    claim = claimed(store, submission())
    let_lease_run_out(redis_url, claim.id)
    if renewal == "renew":
        store.renew(claim)
    else:
        store.report(claim, Stage.EDITING, 0.1)
    assert store.reclaim_expired_leases(LOST) == []


def test_an_edit_that_lost_its_last_attempt_fails(
    store: EditStore, submission: Make, redis_url: str
) -> None:
    edit_id = submitted(store, submission())
    for attempt in range(1, MAX_ATTEMPTS + 1):
        assert store.claim("zoo") == Claim(edit_id, attempt)
        let_lease_run_out(redis_url, edit_id)
        to = EditStatus.FAILED if attempt == MAX_ATTEMPTS else EditStatus.QUEUED
        assert store.reclaim_expired_leases(LOST) == [(edit_id, "zoo", to)]
    assert store.get(edit_id).error == LOST
    assert store.claim("zoo") is None


def test_several_housekeepers_take_each_edit_back_once(
    store: EditStore, submission: Make, redis_url: str
) -> None:
    ids = [claimed(store, submission()).id for _ in range(20)]
    let_lease_run_out(redis_url, *ids)
    taken: list[str] = []
    threads = [
        threading.Thread(
            target=lambda: taken.extend(edit[0] for edit in store.reclaim_expired_leases(LOST))
        )
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == sorted(ids)
    assert all(store.get(edit_id).status is EditStatus.QUEUED for edit_id in ids)


def test_an_edit_handed_back_waits_again_uncounted_in_its_old_place(
    store: EditStore, submission: Make
) -> None:
    first = claimed(store, submission())
    time.sleep(0.002)
    submitted(store, submission())
    store.hand_back(first)
    assert store.get(first.id).attempt == 0
    assert store.claim("zoo") == Claim(first.id, 1)


def test_a_queued_edit_is_canceled_at_once(store: EditStore, submission: Make) -> None:
    edit_id = submitted(store, submission())
    assert store.cancel(edit_id, caller="local") is EditStatus.QUEUED
    assert store.get(edit_id).status is EditStatus.CANCELED
    assert store.claim("zoo") is None


def test_a_running_edit_is_asked_to_stop(store: EditStore, submission: Make) -> None:
    claim = claimed(store, submission())
    assert store.report(claim, Stage.EDITING, 0.1) is False
    store.cancel(claim.id, caller="local")
    assert store.report(claim, Stage.EDITING, 0.2) is True
    store.finish(claim, EditStatus.CANCELED)
    assert store.get(claim.id).status is EditStatus.CANCELED


def test_an_edit_canceled_while_its_worker_died_ends_canceled(
    store: EditStore, submission: Make, redis_url: str
) -> None:
    claim = claimed(store, submission())
    store.cancel(claim.id, caller="local")
    let_lease_run_out(redis_url, claim.id)
    assert store.reclaim_expired_leases(LOST) == [(claim.id, "zoo", EditStatus.CANCELED)]


def test_a_finished_edit_stays_as_it_is_when_canceled(store: EditStore, submission: Make) -> None:
    claim = claimed(store, submission())
    store.finish(claim, EditStatus.SUCCEEDED, result=Result())
    assert store.cancel(claim.id, caller="local") is EditStatus.SUCCEEDED
    assert store.get(claim.id).status is EditStatus.SUCCEEDED


def test_the_queue_of_a_model_has_a_bound(store: EditStore, submission: Make) -> None:
    submitted(store, submission(), limit=2)
    submitted(store, submission(), limit=2)
    refused = submission()
    with pytest.raises(QueueFull):
        store.submit(refused, limit=2)
    with pytest.raises(EditNotFound):
        store.get(refused.id)
    submitted(store, submission(model="other"), limit=2)
    assert store.claim("zoo") is not None
    submitted(store, submission(), limit=2)


def test_a_callers_edits_in_flight_have_a_bound_until_they_end(
    store: EditStore, submission: Make, redis_url: str
) -> None:
    def ask(caller: str = "ann") -> None:
        store.submit(submission(caller=caller), limit=100, in_flight=2)

    canceled = submission(caller="ann")
    store.submit(canceled, limit=100, in_flight=2)
    ask()
    with pytest.raises(TooManyInFlight):
        ask()
    ask("ben")
    store.cancel(canceled.id, caller="ann")
    ask()
    with pytest.raises(TooManyInFlight):
        ask()
    claim = store.claim("zoo")
    assert claim is not None
    with pytest.raises(TooManyInFlight):  # a running one counts, and so does one of a lost worker
        ask()
    let_lease_run_out(redis_url, claim.id)
    store.reclaim_expired_leases(LOST)
    with pytest.raises(TooManyInFlight):
        ask()
    claim = store.claim("zoo")
    assert claim is not None
    store.finish(claim, EditStatus.FAILED, error=LOST)
    ask()


def test_who_asks_at_once_gets_no_more_places_than_there_are(
    store: EditStore, submission: Make
) -> None:
    def ask(_: int) -> bool:
        try:
            store.submit(submission(caller="ann"), limit=100, in_flight=7)
        except TooManyInFlight:
            return False
        return True

    with ThreadPoolExecutor(10) as pool:
        assert sum(pool.map(ask, range(40))) == 7


def ran_for(redis_url: str, edit_id: str, seconds: float) -> None:
    """Move an edit's start into the past."""
    with redis.Redis.from_url(redis_url) as client:
        client.hincrby(keys.edit(edit_id), "started_ms", int(-1000 * seconds))


def test_when_to_come_again_is_told_by_what_recent_edits_took(
    store: EditStore, submission: Make, model: Model, redis_url: str
) -> None:
    def refused(kind: type[QueueFull] | type[TooManyInFlight], **bounds: int) -> int | None:
        with pytest.raises(kind) as error:
            store.submit(submission(caller="ann"), **({"limit": 100} | bounds))
        return error.value.retry_after

    assert refused(QueueFull, limit=0) is None
    for seconds in (30, 50):
        claim = claimed(store, submission())
        ran_for(redis_url, claim.id, seconds)
        store.finish(claim, EditStatus.SUCCEEDED, result=Result())
    assert refused(QueueFull, limit=0) is None  # no live worker
    store.announce("worker-1", model)
    assert refused(QueueFull, limit=0) in (40, 41)
    store.announce("worker-2", model)
    assert refused(QueueFull, limit=0) in (20, 21)
    for caller in ("ben", "ben", "ann"):
        submitted(store, submission(caller=caller))
    # One of ben's two is before it, two workers share them: it ends with the second round.
    assert refused(TooManyInFlight, in_flight=1) in (60, 61)
    for _ in range(4):
        submitted(store, submission(caller="ben"))
    for _ in range(4):  # two workers with two edits each
        store.claim("zoo")
    assert refused(QueueFull, limit=0) in (10, 11)


def test_an_edit_of_another_caller_does_not_exist(store: EditStore, submission: Make) -> None:
    edit_id = submitted(store, submission(caller="ann"))
    assert store.get(edit_id, caller="ann").submission.caller == "ann"
    for ask in (store.get, store.cancel):
        with pytest.raises(EditNotFound):
            ask(edit_id, caller="ben")
    assert listed(store, "ben") == []


def test_a_listing_is_newest_first_and_goes_on_before_an_id(
    store: EditStore, submission: Make
) -> None:
    ids = [submitted(store, submission(), limit=1000) for _ in range(105)][::-1]
    found = listed(store, "local")
    assert found == ids
    rest = listed(store, "local", before=ids[101])
    assert rest == ids[102:]


def test_a_model_is_live_while_a_worker_announces_it(store: EditStore, model: Model) -> None:
    assert store.models() == store.live_models() == {}
    store.announce("worker-1", model)
    assert store.live_models() == {"zoo": model}
    store.withdraw("worker-1", model)
    assert store.live_models() == {}
    assert store.models() == {"zoo": model}


def test_a_model_is_forgotten_once_nothing_uses_it(
    store: EditStore, submission: Make, model: Model, client: Any
) -> None:
    assert store.forget("zoo") == "unknown"
    store.announce("worker-1", model, version="1", started_in=3)
    assert store.forget("zoo") == "served"
    store.withdraw("worker-1", model)
    made = submission()
    store.submit(made, limit=10)
    assert store.forget("zoo") == "waited for"
    claim = store.claim("zoo")
    assert claim is not None and store.forget("zoo") == "waited for"
    store.finish(claim, EditStatus.SUCCEEDED, result=Result())
    assert store.forget("zoo") == "forgotten"
    assert store.models() == {}
    left = set(client.keys("*zoo*")) | {key for key in (keys.COLD_STARTS,) if client.exists(key)}
    assert left == set()
    assert store.get(made.id).status is EditStatus.SUCCEEDED


def test_workers_that_went_without_a_word_are_forgotten(
    store: EditStore, model: Model, client: Any
) -> None:
    store.announce("worker-1", model, version="1")
    client.zadd(keys.WORKERS, {"worker-1 zoo": 1})
    store.announce("worker-2", model, version="2")
    assert client.zrange(keys.WORKERS, 0, -1) == ["worker-2 zoo"]
    assert client.hgetall(keys.WORKER_VERSIONS) == {"worker-2 zoo": "2"}


def test_the_wait_of_an_edit_for_a_sleeping_model_is_known_from_the_store(
    store: EditStore, submission: Make, model: Model
) -> None:
    store.announce("worker-1", model, started_in=60)
    store.submit(submission(), limit=10)
    claim = store.claim("zoo")
    assert claim is not None
    store.finish(claim, EditStatus.SUCCEEDED, result=Result())
    store.withdraw("worker-1", model)
    made = submission()
    store.submit(made, limit=10)

    def eta() -> float:
        snapshot = store.queue_snapshot(store.get(made.id))
        assert snapshot is not None
        seconds = eta_seconds(store.get(made.id), snapshot)
        assert seconds is not None
        return seconds

    assert 60 <= eta() < 65
    store.announce_loading("worker-2", "zoo", since=store.now() - 40)
    assert 15 <= eta() < 25


def test_damage_to_what_is_only_told_of_workers_takes_no_model_away(
    store: EditStore, model: Model, client: Any
) -> None:
    for key in (keys.WORKER_VERSIONS, keys.LOADING, keys.LAST_SERVED, keys.COLD_STARTS):
        client.set(key, "x")
    store.announce("worker-1", model, version="1", started_in=3)
    assert store.models_with_state() == {"zoo": model}


def test_all_processes_share_a_secret(store: EditStore) -> None:
    assert store.secret("links") == store.secret("links")
    assert len(store.secret("links")) == 32
    assert store.secret("links") != store.secret("webhooks")


def test_a_redis_that_is_gone_is_our_own_error() -> None:
    store = EditStore(connect("redis://127.0.0.1:1/0"))
    with pytest.raises(StoreUnavailable):
        store.get("edit_" + "0" * 32)


def test_a_result_from_before_there_were_warnings_has_none(
    store: EditStore, redis_url: str, submission: Make
) -> None:
    claim = claimed(store, submission())
    store.finish(claim, EditStatus.SUCCEEDED, result=Result())
    old = Result().model_dump_json(exclude={"warnings"})
    with redis.Redis.from_url(redis_url) as client:
        client.hset(keys.edit(claim.id), "result", old)
    result = store.get(claim.id).result
    assert result is not None
    assert result.warnings == []


def test_a_lease_written_before_the_clock_went_back_lasts_no_longer_than_any(
    store: EditStore, submission: Make, redis_url: str
) -> None:
    store.submit(submission(), limit=10)
    claim = store.claim("zoo")
    assert claim is not None
    with redis.Redis.from_url(redis_url) as client:
        in_an_hour = (int(client.time()[0]) + 3600) * 1000
        client.zadd(keys.RUNNING, {claim.id: in_an_hour})
        assert store.reclaim_expired_leases(LOST) == []
        left = client.zscore(keys.RUNNING, claim.id) - int(client.time()[0]) * 1000
    assert left < (LEASE_SECONDS + 2) * 1000


def test_pictures_are_expected_until_their_edit_is_accepted(
    store: EditStore, submission: Make, redis_url: str
) -> None:
    accepted, given_up = submission(), submission()
    for one in (accepted, given_up):
        store.reserve_upload(photo_prefix(one), caller="local", size=100)
    store.submit(accepted, limit=10)
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        assert client.zrange(keys.DELETIONS, 0, -1) == [photo_prefix(given_up)]
