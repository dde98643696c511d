"""The bytes that a caller holds: bounded, counted once, and given back when they are deleted."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import redis

from core.errors import QuotaExceeded, SourceNotFound
from core.images.keys import new_photo_prefix, photo_prefix
from core.schema import EditStatus, Result, StoredImage, Submission
from core.store import keys
from core.store.claims import Claim
from core.store.edits import EditStore

Make = Callable[..., Submission]

OUTPUT = StoredImage(
    name="1-output-0.png", width=64, height=64, content_type="image/png", sha256="0", bytes=30
)
DONE = Result(outputs=[OUTPUT, OUTPUT], artifacts={"reconstruction": OUTPUT})
PHOTO = 1000  # bytes


@pytest.fixture
def client(redis_url: str) -> Iterator[Any]:
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        yield client


@pytest.fixture
def accept(store: EditStore, submission: Make) -> Callable[..., Submission]:
    """Return a function that accepts an edit with a photo of its own, or an earlier one's."""

    def accepted(*, caller: str = "ann", photo: str | None = None, **fields: Any) -> Submission:
        made = submission(caller=caller, **fields)
        if photo is None:
            store.reserve_upload(photo_prefix(made), caller=caller, size=PHOTO)
        else:
            made = made.model_copy(update={"photo": photo})
        store.submit(made, limit=1000)
        return made

    return accepted


def images(client: Any) -> dict[str, str]:
    return dict(client.hgetall(keys.IMAGE_BYTES))


def records(client: Any) -> dict[str, str]:
    return dict(client.hgetall(keys.RECORD_BYTES))


def delete_what_is_due(store: EditStore) -> set[str]:
    """Do the housekeeper's part."""
    due = set(iter(store.claim_deletion, None))
    for prefix in due:
        store.confirm_deletion(prefix)
    return due


def succeed(store: EditStore) -> None:
    claim = store.claim("zoo")
    assert claim is not None
    store.finish(claim, EditStatus.SUCCEEDED, result=DONE)


def test_photos_and_outputs_count_until_they_are_deleted(
    store: EditStore, accept: Make, client: Any
) -> None:
    made = accept()
    assert images(client) == {"ann": str(PHOTO)}
    succeed(store)
    assert images(client) == {"ann": str(PHOTO + 90)}
    store.delete(made.id, caller="ann")
    assert images(client) == {"ann": str(PHOTO + 90)}  # they still lie there
    assert delete_what_is_due(store) >= {made.id, photo_prefix(made)}
    assert images(client) == {}
    assert client.hlen(keys.PREFIX_BYTES) == 0


def test_expired_edits_give_their_bytes_back(store: EditStore, accept: Make, client: Any) -> None:
    ids = [accept().id for _ in range(3)]
    for edit_id in ids:
        succeed(store)
        client.zadd(keys.EXPIRING, {edit_id: 1})
    assert set(store.expire(limit=10)) == set(ids)
    assert records(client) == {}
    delete_what_is_due(store)
    assert images(client) == {}


def test_a_photo_that_edits_share_counts_once_and_goes_with_the_last(
    store: EditStore, accept: Make, client: Any
) -> None:
    first = accept()
    shared = photo_prefix(first)
    others = [accept(photo=shared) for _ in range(40)]
    assert images(client) == {"ann": str(PHOTO)}
    store.delete(first.id, caller="ann")
    for other in others[:-1]:
        store.cancel(other.id, caller="ann")
    assert shared not in delete_what_is_due(store)
    store.delete(others[-1].id, caller="ann")
    assert shared in delete_what_is_due(store)
    assert images(client) == {}


def test_a_photo_that_is_due_for_deletion_is_no_source(
    store: EditStore, accept: Make, client: Any
) -> None:
    first = accept()
    store.cancel(first.id, caller="ann")
    with pytest.raises(SourceNotFound):
        accept(photo=photo_prefix(first))
    assert delete_what_is_due(store) == {photo_prefix(first)}
    assert images(client) == {}


def test_the_photo_of_an_edit_that_ran_stays_and_what_attempts_left_goes(
    store: EditStore, accept: Make, client: Any
) -> None:
    made = accept()
    assert store.claim("zoo") == Claim(made.id, 1)
    store.finish(Claim(made.id, 1), EditStatus.FAILED, error={"code": "model_error"})
    assert delete_what_is_due(store) == {made.id}
    assert images(client) == {"ann": str(PHOTO)}
    assert accept(photo=photo_prefix(made)).photo == photo_prefix(made)


def test_uploads_at_once_never_exceed_the_bound(
    store: EditStore, submission: Make, client: Any
) -> None:
    def upload(number: int) -> bool:
        prefix = new_photo_prefix(f"edit_{number:032d}")
        try:
            store.reserve_upload(prefix, caller="ann", size=PHOTO, limit=7 * PHOTO)
        except QuotaExceeded:
            return False
        return True

    with ThreadPoolExecutor(10) as pool:
        assert sum(pool.map(upload, range(40))) == 7
    assert images(client) == {"ann": str(7 * PHOTO)}
    prefix = new_photo_prefix("edit_" + "a" * 32)
    store.reserve_upload(prefix, caller="ben", size=PHOTO, limit=PHOTO)  # another caller's is free
    store.reserve_upload(prefix, caller="ben", size=PHOTO, limit=PHOTO)  # sent again
    assert images(client)["ben"] == str(PHOTO)


def test_an_upload_whose_edit_never_came_is_deleted_and_free_again(
    store: EditStore, submission: Make, client: Any
) -> None:
    killed, failed = (photo_prefix(submission()) for _ in range(2))
    for prefix in (killed, failed):
        store.reserve_upload(prefix, caller="ann", size=PHOTO)
    store.discard_upload(failed)
    assert delete_what_is_due(store) == {failed}
    assert images(client) == {"ann": str(PHOTO)}
    client.zadd(keys.DELETIONS, {killed: 1})  # an hour later
    delete_what_is_due(store)
    assert images(client) == {}


def test_records_are_bounded_by_their_bytes_and_free_once_deleted(
    store: EditStore, submission: Make, client: Any
) -> None:
    def ask(caller: str = "ann") -> str:
        made = submission(caller=caller, metadata={"note": "é" * 5000})
        store.submit(made, limit=1000, record_bytes=100_000)
        return made.id

    ids = [ask() for _ in range(5)]
    with pytest.raises(QuotaExceeded) as refusal:
        ask()
    assert "0 MB of records" in str(refusal.value)
    ask("ben")
    assert 5 * 18_000 < int(records(client)["ann"]) <= 100_000
    store.delete(ids[0], caller="ann")
    ask()
    for edit_id in [*ids[1:], *client.zrange(keys.listing("ann"), -1, -1)]:
        store.delete(edit_id, caller="ann")
    assert records(client).keys() == {"ben"}


def test_previews_count_too(store: EditStore, accept: Make, client: Any) -> None:
    made = accept()
    before = int(records(client)["ann"])
    claim = store.claim("zoo")
    assert claim is not None
    store.preview(claim, {"image": "x" * 5000})
    assert int(records(client)["ann"]) >= before + 5000
    store.delete(made.id, caller="ann")
    assert records(client) == {}


def test_what_is_counted_is_no_less_than_what_redis_holds(
    store: EditStore, submission: Make, client: Any
) -> None:
    """By the memory of a usual edit and of one with as much metadata as there may be."""
    for metadata in ({}, {f"{n:02}" + "\U0001f600" * 510: "\U0001f600" * 512 for n in range(16)}):
        client.flushdb()
        before = client.info("memory")["used_memory"]
        for _ in range(100):
            store.submit(submission(caller="ann", metadata=metadata), limit=1000)
            succeed(store)
        held = client.info("memory")["used_memory"] - before
        assert held < 1.3 * int(records(client)["ann"])


@pytest.mark.parametrize("value", ["", "many", "nan", "-5", "9" * 30, "1 2 3"])
def test_totals_that_a_stranger_wrote_stop_nothing(
    store: EditStore, accept: Make, client: Any, value: str
) -> None:
    made = accept()
    for total in (keys.IMAGE_BYTES, keys.RECORD_BYTES):
        client.hset(total, "ann", value)
    client.hset(keys.PREFIX_BYTES, photo_prefix(made), value)
    accept()
    succeed(store)
    store.delete(made.id, caller="ann")
    delete_what_is_due(store)
    for total in (keys.IMAGE_BYTES, keys.RECORD_BYTES, keys.PREFIX_BYTES):
        client.delete(total)
        client.set(total, "a string")
    accept()
    succeed(store)
