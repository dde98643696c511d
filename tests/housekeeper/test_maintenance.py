"""What a round of the housekeeper does; tests/e2e runs its process."""

import asyncio
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import redis

from core.broker.app import make_celery, queue_name, signal_waiting
from core.errors import EditExpired, StoreUnavailable
from core.images.keys import new_photo_prefix
from core.images.storage import ImageStorage
from core.schema import EditStatus, Model, Result
from core.store import keys
from core.store.batches import Batches
from core.store.claims import Claim
from core.store.connection import connect
from core.store.edits import EditStore
from core.store.housekeeping import MAX_ATTEMPTS
from housekeeper.maintenance import (
    LOST_MESSAGE_SECONDS,
    delete_images,
    expire,
    maintain_edits,
    maintain_images,
    reclaim_edits,
    resend_lost_messages,
)
from tests.support.waiting import PATIENCE

Submit = Callable[..., str]
Notified = list[tuple[str, str]]


@pytest.fixture
def notified() -> Notified:
    """Collect (model, id) of every message sent."""
    return []


@pytest.fixture
def notify(notified: Notified) -> Callable[[str, str], None]:
    return lambda model, edit_id: notified.append((model, edit_id))


def test_the_edit_of_a_lost_worker_waits_again_and_is_told(
    store: EditStore,
    submit: Submit,
    notified: Notified,
    notify: Callable[[str, str], None],
    let_lease_run_out: Callable[[str], None],
) -> None:
    edit_id = submit()
    store.claim("zoo")
    reclaim_edits(store, notify)
    assert (store.get(edit_id).status, notified) == (EditStatus.RUNNING, [])  # its lease is valid

    let_lease_run_out(edit_id)
    reclaim_edits(store, notify)
    reclaim_edits(store, notify)  # the second round finds nothing more to do
    assert store.get(edit_id).status is EditStatus.QUEUED
    assert notified == [("zoo", edit_id)]
    assert store.claim("zoo") == Claim(edit_id, 2)


def test_after_its_last_attempt_a_lost_edit_fails_and_is_not_told(
    store: EditStore,
    submit: Submit,
    notified: Notified,
    notify: Callable[[str, str], None],
    let_lease_run_out: Callable[[str], None],
) -> None:
    edit_id = submit()
    for _ in range(MAX_ATTEMPTS):
        assert store.claim("zoo") is not None
        let_lease_run_out(edit_id)
        reclaim_edits(store, notify)
    record = store.get(edit_id)
    assert record.status is EditStatus.FAILED
    assert record.error is not None
    assert record.error["code"] == "worker_lost"
    assert len(notified) == MAX_ATTEMPTS - 1
    assert store.claim("zoo") is None


@pytest.fixture
def submit_unnotified(
    store: EditStore, submit: Submit, model: Model, redis_url: str
) -> Callable[[float], str]:
    """Submit an edit that has waited for this many seconds, and whose message was never sent."""
    store.announce("worker-1", model)

    def make(seconds: float) -> str:
        edit_id = submit()
        with redis.Redis.from_url(redis_url) as client:
            queued = int((time.time() - seconds) * 1000)
            client.zadd(keys.waiting("zoo"), {edit_id: queued})
        return edit_id

    return make


def test_an_edit_whose_message_was_lost_is_told_again(
    store: EditStore,
    submit_unnotified: Callable[[float], str],
    notified: Notified,
    notify: Callable[[str, str], None],
) -> None:
    old = submit_unnotified(LOST_MESSAGE_SECONDS + 1)
    submit_unnotified(LOST_MESSAGE_SECONDS - 4)  # its message may still be on its way
    resend_lost_messages(store, notify)
    assert notified == [("zoo", old)]
    assert store.get(old).status is EditStatus.QUEUED


def test_nothing_is_told_beside_a_queue_that_holds_messages(
    store: EditStore,
    submit_unnotified: Callable[[float], str],
    notified: Notified,
    notify: Callable[[str, str], None],
    redis_url: str,
) -> None:
    old = submit_unnotified(LOST_MESSAGE_SECONDS + 1)
    app = make_celery(redis_url)
    signal_waiting(app, "zoo", old)
    app.close()
    assert store.messages(queue_name("zoo")) == 1
    resend_lost_messages(store, notify)
    assert notified == []


def test_an_expired_edit_loses_its_pictures_and_its_record(
    store: EditStore, submit: Submit, files: ImageStorage, redis_url: str, tmp_path: Path
) -> None:
    old, young = submit(), submit()
    for edit_id in (old, young):
        claim = store.claim("zoo")
        assert claim is not None
        files.put(edit_id, "1-output-0.png", b"an output")
        store.finish(claim, EditStatus.SUCCEEDED, result=Result())
    with redis.Redis.from_url(redis_url) as client:
        client.zadd(keys.EXPIRING, {old: 1})
    for _ in range(2):  # the second round finds nothing more to do
        expire(store)
        delete_images(store, files)
    with pytest.raises(EditExpired):
        store.get(old)
    assert store.get(young).status is EditStatus.SUCCEEDED
    left = [path.relative_to(tmp_path / "images") for path in (tmp_path / "images").rglob("*")]
    assert sorted(map(str, left)) == [
        *("_photos", f"_photos/{young}", f"_photos/{young}/input"),
        *(young, f"{young}/1-output-0.png"),
    ]


def test_pictures_that_could_not_be_deleted_are_deleted_later(
    store: EditStore, submit: Submit, files: ImageStorage, redis_url: str
) -> None:
    class Away(ImageStorage):
        def delete(self, edit_id: str) -> None:
            raise StoreUnavailable("The object store does not answer.")

    edit_id = submit()
    store.delete(edit_id, caller="local")
    with pytest.raises(StoreUnavailable):
        delete_images(store, Away("file:///nowhere"))
    with redis.Redis.from_url(redis_url) as client:
        client.zadd(keys.DELETIONS, dict.fromkeys(client.zrange(keys.DELETIONS, 0, -1), 1))
    delete_images(store, files)
    assert files.get(new_photo_prefix(edit_id), "input") is None
    assert store.claim_deletion() is None


def test_a_picture_store_that_hangs_holds_up_no_edit(
    store: EditStore,
    submit: Submit,
    redis_url: str,
    tmp_path: Path,
    let_lease_run_out: Callable[[str], None],
) -> None:
    hangs = threading.Event()

    class Hanging(ImageStorage):
        def delete(self, prefix: str) -> None:
            hangs.wait(PATIENCE)

    gone, lost = submit(), submit()
    store.delete(gone, caller="local")
    assert store.claim("zoo") == Claim(lost, 1)
    let_lease_run_out(lost)

    async def scene() -> None:
        stop, app = asyncio.Event(), make_celery(redis_url)
        house = asyncio.gather(
            maintain_edits(app, store, Batches(connect(redis_url)), stop),
            maintain_images(store, Hanging(tmp_path.as_uri()), stop),
        )
        async with asyncio.timeout(PATIENCE):
            while store.get(lost).status is not EditStatus.QUEUED:
                await asyncio.sleep(0.02)
        stop.set()
        hangs.set()
        await house
        app.close()

    asyncio.run(scene())
