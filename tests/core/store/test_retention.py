"""When edits expire or are deleted, and what is remembered of their runs."""

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
import redis

from core.errors import EditExpired, EditNotFound, EditUnavailable, StaleAttempt
from core.images.keys import image_inversions_prefix, new_photo_prefix
from core.schema import KEEP_SECONDS, EditStatus, Metrics, Model, Result, Stage, Submission
from core.store import keys
from core.store.claims import Claim
from core.store.edits import GRACE_SECONDS, EditStore
from core.webhooks.queue import Deliveries
from tests.support.listing import listed

Make = Callable[..., Submission]

URL = "https://hooks.example/x"


@pytest.fixture
def client(redis_url: str) -> Any:
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        yield client


def ended(store: EditStore, made: Submission) -> str:
    store.submit(made, limit=100)
    claim = store.claim(made.model)
    assert claim == Claim(made.id, 1)
    store.finish(claim, EditStatus.SUCCEEDED, result=Result())
    return made.id


def let_expire(client: Any, *edit_ids: str) -> None:
    """Move the edits' expiry into the past."""
    for edit_id in edit_ids:
        client.hset(keys.edit(edit_id), "expires_ms", 1)
        client.zadd(keys.EXPIRING, {edit_id: 1})


def keys_of(client: Any, edit_id: str) -> set[str]:
    """Return every key whose name or members contain the edit's id."""
    bare = edit_id.removeprefix("edit_")
    found = set(client.keys(f"*{bare}*"))
    for key in client.keys(keys.PREFIX + "*"):
        members = client.zrange(key, 0, -1) if client.type(key) == "zset" else []
        if any(bare in member for member in members):
            found.add(key)
    return found


def test_an_edit_expires_so_long_after_its_end(store: EditStore, submission: Make) -> None:
    made = submission()
    store.submit(made, limit=10)
    assert store.get(made.id).expires_at is None
    store.cancel(made.id, caller="local")
    record = store.get(made.id)
    assert record.expires_at is not None and record.completed_at is not None
    assert (record.expires_at - record.completed_at).total_seconds() == KEEP_SECONDS
    assert store.expire(limit=10) == []


def test_an_expired_edit_is_known_to_have_expired_by_its_caller_only(
    store: EditStore, submission: Make, client: Any
) -> None:
    edit_id = ended(store, submission(caller="ann", webhook_url=URL))
    let_expire(client, edit_id)
    for _ in range(2):  # before a housekeeper comes, and after
        with pytest.raises(EditExpired):
            store.get(edit_id, caller="ann")
        with pytest.raises(EditNotFound):
            store.get(edit_id, caller="ben")
        assert listed(store, "ann") == []
        store.expire(limit=10)
    assert keys_of(client, edit_id) == {
        keys.expired(edit_id),
        keys.events(edit_id),
        keys.DELETIONS,
    }
    assert 0 < client.ttl(keys.expired(edit_id)) <= 24 * 3600
    assert 0 < client.ttl(keys.events(edit_id)) <= 60
    client.delete(keys.expired(edit_id))  # as time does
    with pytest.raises(EditNotFound):
        store.get(edit_id, caller="ann")


def test_several_housekeepers_expire_each_edit_once(
    store: EditStore, submission: Make, client: Any
) -> None:
    ids = [ended(store, submission()) for _ in range(20)]
    let_expire(client, *ids)
    expired: list[str] = []
    erased: list[str] = []

    def work() -> None:
        while found := store.expire(limit=3):
            expired.extend(found)
        erased.extend(iter(store.claim_deletion, None))

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    erased.extend(iter(store.claim_deletion, None))
    inversions = image_inversions_prefix(submission())  # of the picture that all of them had
    assert sorted(expired) == sorted(ids)
    assert sorted(erased) == sorted([*ids, *map(new_photo_prefix, ids), inversions])


def test_pictures_that_were_not_confirmed_gone_come_again(
    store: EditStore, submission: Make, client: Any
) -> None:
    edit_id = ended(store, submission())
    store.delete(edit_id, caller="local")
    assert edit_id in iter(store.claim_deletion, None)
    assert edit_id not in iter(store.claim_deletion, None)
    client.zadd(keys.DELETIONS, {edit_id: 1})
    assert store.claim_deletion() == edit_id
    store.confirm_deletion(edit_id)
    assert client.zscore(keys.DELETIONS, edit_id) is None


def test_the_inversions_of_a_picture_go_with_the_last_edit_of_its_caller(
    store: EditStore, submission: Make, client: Any
) -> None:
    first, second = (ended(store, submission(caller="ann")) for _ in range(2))
    other = ended(store, submission(caller="ben"))
    for edit_id, caller, inversions in (
        (first, "ann", []),
        (other, "ben", [image_inversions_prefix(submission(caller="ben"))]),
        (second, "ann", [image_inversions_prefix(submission(caller="ann"))]),
    ):
        store.delete(edit_id, caller=caller)
        erased = set(iter(store.claim_deletion, None))
        assert erased == {edit_id, new_photo_prefix(edit_id), *inversions}
    assert client.keys(keys.sharing("*")) == []


@pytest.mark.parametrize("running", [False, True])
def test_a_deleted_edit_is_nowhere_and_its_followers_learn_its_end(
    store: EditStore, deliveries: Deliveries, submission: Make, client: Any, running: bool
) -> None:
    events = ["edit.started", "edit.progress", "edit.canceled"]
    made = submission(webhook_url=URL, webhook_events=events)
    store.submit(made, limit=10)
    if running:
        claim = store.claim("zoo")
        assert claim is not None
        store.report(claim, Stage.EDITING, 0.5)
    store.delete(made.id, caller="local")
    assert keys_of(client, made.id) == {keys.events(made.id), keys.DELETIONS}
    last = client.xrevrange(keys.events(made.id), count=1)[0][1]
    assert (last["type"], last["data"]) == ("done", '{"status":"canceled"}')
    assert listed(store, "local") == []
    assert store.claim("zoo") is None
    assert deliveries.take() is None
    for ask in (store.get, store.cancel, store.delete):
        with pytest.raises(EditNotFound):
            ask(made.id, caller="local")


def test_a_worker_cannot_bring_a_deleted_edit_back(
    store: EditStore, submission: Make, client: Any
) -> None:
    made = submission()
    store.submit(made, limit=10)
    claim = store.claim("zoo")
    assert claim is not None
    store.delete(made.id, caller="local")
    for speak in (
        lambda: store.report(claim, Stage.EDITING, 0.5),
        lambda: store.renew(claim),
        lambda: store.finish(claim, EditStatus.SUCCEEDED, result=Result()),
    ):
        with pytest.raises(StaleAttempt):
            speak()
    store.preview(claim, {"image": "data:"})
    store.hand_back(claim)
    assert keys_of(client, made.id) == {keys.events(made.id), keys.DELETIONS}
    # Its images are deleted once more when its worker cannot write any more.
    left = client.zscore(keys.DELETIONS, made.id) / 1000 - time.time()
    assert GRACE_SECONDS - 5 < left <= GRACE_SECONDS + 1


def test_another_callers_edit_cannot_be_deleted(store: EditStore, submission: Make) -> None:
    edit_id = ended(store, submission(caller="ann"))
    with pytest.raises(EditUnavailable):
        store.delete(edit_id, caller="ben")
    assert store.get(edit_id).status is EditStatus.SUCCEEDED


def test_a_run_with_a_reused_inversion_is_remembered_with_the_work_that_it_did(
    store: EditStore, submission: Make
) -> None:
    made = submission()
    store.submit(made, limit=10)
    claim = store.claim(made.model)
    assert claim is not None
    reused = Result(metrics=Metrics(inversion_reused=True))
    store.finish(claim, EditStatus.SUCCEEDED, result=reused)
    waiting = submission()
    store.submit(waiting, limit=10)
    snapshot = store.queue_snapshot(store.get(waiting.id))
    assert snapshot is not None
    assert [run.work for run in snapshot.recent] == [made.params.editing_work]
    assert made.params.editing_work < made.params.work / 2


def test_recent_runs_are_remembered_with_their_work_up_to_a_bound(
    store: EditStore, submission: Make, client: Any
) -> None:
    for _ in range(35):
        ended(store, submission(num_inference_steps=10, inner_steps=0))
    assert client.llen(keys.runs("zoo")) == 32
    waiting = submission()
    store.submit(waiting, limit=10)
    queue_snapshot = store.queue_snapshot(store.get(waiting.id))
    assert queue_snapshot is not None
    # Twelve rows for what changes, and ten steps of 1 + 2 rows (`Params.work`).
    assert {run.work for run in queue_snapshot.recent} == {42}
    assert all(0 <= run.seconds < 5 for run in queue_snapshot.recent)


def test_the_outlook_is_that_of_the_edits_own_model(
    store: EditStore, submission: Make, model: Model
) -> None:
    store.announce("worker-1", model)
    store.announce("worker-2", model.model_copy(update={"id": "other"}))
    for name in ("zoo", "zoo", "other"):
        store.submit(submission(model=name), limit=10)
    claim = store.claim("zoo")
    store.claim("other")
    assert claim is not None
    store.report(claim, Stage.TUNING, 0.5)
    waiting = next(iter(store.waiting("zoo", longer_than=0, limit=1)))
    queue_snapshot = store.queue_snapshot(store.get(waiting))
    assert queue_snapshot is not None
    assert (queue_snapshot.position, queue_snapshot.workers, queue_snapshot.recent) == (0, 1, ())
    (run,) = queue_snapshot.running
    assert (run.progress, run.work) == (0.5, store.get(waiting).submission.params.work)
    assert abs(queue_snapshot.now - time.time()) < 5


def test_a_canceled_run_says_nothing_of_how_long_others_take(
    store: EditStore, submission: Make, client: Any
) -> None:
    store.submit(submission(), limit=10)
    claim = store.claim("zoo")
    assert claim is not None
    store.finish(claim, EditStatus.CANCELED)
    assert client.llen(keys.runs("zoo")) == 0
