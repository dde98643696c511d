"""Idempotency keys on a real Valkey, up to the edit that is accepted under one."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

from core.errors import (
    EditDeleted,
    EditExpired,
    EditNotFound,
    IdempotencyInProgress,
    IdempotencyMismatch,
    QueueFull,
)
from core.schema import Submission
from core.store import keys
from core.store.connection import Scripts, connect
from core.store.edits import EditStore
from core.store.idempotency import (
    LOCK_SECONDS,
    REPLAY_SECONDS,
    Idempotency,
    IdempotencyLock,
    Replay,
)

Make = Callable[..., Submission]


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    with connect(redis_url) as client:
        yield client


@pytest.fixture
def idempotency(client: redis.Redis) -> Idempotency:
    return Idempotency(client)


def lock_key(
    idempotency: Idempotency, key: str = "k", *, caller: str = "ann", body: str = "b"
) -> IdempotencyLock:
    lock = idempotency.acquire(caller, key, body=body)
    assert isinstance(lock, IdempotencyLock)
    return lock


def test_a_key_belongs_to_one_request_until_it_ends(idempotency: Idempotency) -> None:
    lock = lock_key(idempotency)
    with pytest.raises(IdempotencyInProgress):
        lock_key(idempotency)
    with pytest.raises(IdempotencyMismatch):
        lock_key(idempotency, body="another")
    idempotency.release(lock)
    lock_key(idempotency, body="another")


def test_keys_of_different_callers_are_different_keys(idempotency: Idempotency) -> None:
    assert lock_key(idempotency, caller="ann").name != lock_key(idempotency, caller="ben").name
    lock_key(idempotency, "k\nx", caller="ann")
    lock_key(idempotency, "x", caller="ann\nk")


def test_an_accepted_edit_is_what_a_repetition_gets(
    idempotency: Idempotency, store: EditStore, submission: Make, client: redis.Redis
) -> None:
    lock = lock_key(idempotency)
    assert client.ttl(keys.idempotency(lock.name)) <= LOCK_SECONDS
    made = submission()
    store.submit(made, limit=5, lock=lock)
    assert idempotency.acquire("ann", "k", body="b") == Replay(made.id, None)
    idempotency.release(lock)  # has no effect now
    idempotency.store_reply(lock, "a reply")
    assert idempotency.acquire("ann", "k", body="b") == Replay(made.id, "a reply")
    with pytest.raises(IdempotencyMismatch):
        idempotency.acquire("ann", "k", body="another")
    assert REPLAY_SECONDS == 24 * 3600
    assert REPLAY_SECONDS - 5 <= client.ttl(keys.idempotency(lock.name)) <= REPLAY_SECONDS


def test_of_a_deleted_edit_a_repetition_learns_only_that_it_was(
    idempotency: Idempotency, store: EditStore, submission: Make, client: redis.Redis
) -> None:
    lock = lock_key(idempotency)
    made = submission(caller="ann")
    store.submit(made, limit=5, lock=lock)
    idempotency.store_reply(lock, "a reply")
    client.pexpire(keys.idempotency(lock.name), 50_000)
    store.delete(made.id, caller="ann")
    idempotency.store_reply(lock, "a late reply")
    idempotency.release(lock)
    idempotency.renew(lock)
    assert client.hgetall(keys.idempotency(lock.name)) == {"gone": "deleted"}
    assert 40 < client.ttl(keys.idempotency(lock.name)) <= 50
    for body in ("b", "another"):
        with pytest.raises(EditDeleted):
            idempotency.acquire("ann", "k", body=body)


def test_of_an_expired_edit_a_repetition_learns_only_that_it_was(
    idempotency: Idempotency, store: EditStore, submission: Make, client: redis.Redis
) -> None:
    lock = lock_key(idempotency)
    made = submission(caller="ann")
    store.submit(made, limit=5, lock=lock)
    store.cancel(made.id, caller="ann")
    client.zadd(keys.EXPIRING, {made.id: 1})
    assert store.expire(limit=1) == [made.id]
    assert client.hgetall(keys.idempotency(lock.name)) == {"gone": "expired"}
    with pytest.raises(EditExpired):
        idempotency.acquire("ann", "k", body="b")


def test_deleting_an_edit_after_its_keys_day_leaves_no_key(
    idempotency: Idempotency, store: EditStore, submission: Make, client: redis.Redis
) -> None:
    lock = lock_key(idempotency)
    made = submission(caller="ann")
    store.submit(made, limit=5, lock=lock)
    client.delete(keys.idempotency(lock.name))  # what its expiry does
    store.delete(made.id, caller="ann")
    assert not client.exists(keys.idempotency(lock.name))


def test_a_damaged_key_does_not_keep_its_edit(
    idempotency: Idempotency, store: EditStore, submission: Make, client: redis.Redis
) -> None:
    lock = lock_key(idempotency)
    made = submission(caller="ann")
    store.submit(made, limit=5, lock=lock)
    client.set(keys.idempotency(lock.name), "no hash")
    store.delete(made.id, caller="ann")
    with pytest.raises(EditNotFound):
        store.get(made.id)


def test_a_refused_edit_leaves_the_key_to_be_freed(
    idempotency: Idempotency, store: EditStore, submission: Make
) -> None:
    lock = lock_key(idempotency)
    with pytest.raises(QueueFull):
        store.submit(submission(), limit=0, lock=lock)
    idempotency.release(lock)
    lock_key(idempotency)


def test_a_request_that_lost_its_key_to_another_makes_no_edit(
    idempotency: Idempotency, store: EditStore, submission: Make, client: redis.Redis
) -> None:
    slow = lock_key(idempotency)
    client.delete(keys.idempotency(slow.name))  # what its expiry does
    quick = lock_key(idempotency)
    late = submission()
    with pytest.raises(IdempotencyInProgress):
        store.submit(late, limit=5, lock=slow)
    with pytest.raises(EditNotFound):
        store.get(late.id)
    idempotency.release(slow)
    store.submit(submission(), limit=5, lock=quick)


def test_of_many_at_once_one_holds_the_key(redis_url: str) -> None:
    def acquire(_: int) -> bool:
        with connect(redis_url) as client:
            try:
                lock_key(Idempotency(client))
            except IdempotencyInProgress:
                return False
            return True

    with ThreadPoolExecutor(10) as pool:
        assert sum(pool.map(acquire, range(50))) == 1


def test_a_key_is_held_for_longer_while_its_request_goes_on(
    idempotency: Idempotency, client: redis.Redis
) -> None:
    lock = lock_key(idempotency)
    key = keys.idempotency(lock.name)
    client.pexpire(key, 1000)
    idempotency.renew(lock)
    assert client.ttl(key) > LOCK_SECONDS / 2


def test_renewing_late_does_not_shorten_what_was_accepted(
    idempotency: Idempotency, client: redis.Redis, store: EditStore, submission: Make
) -> None:
    lock = lock_key(idempotency)
    store.submit(submission(caller="ann"), limit=10, lock=lock)
    idempotency.renew(lock)
    assert client.ttl(keys.idempotency(lock.name)) > REPLAY_SECONDS / 2


def test_a_request_that_takes_its_key_again_has_it(
    idempotency: Idempotency, client: redis.Redis
) -> None:
    # As if the answer was lost and the client library sent the command again.
    lock = lock_key(idempotency)
    arguments = (lock.name, "b", lock.token, LOCK_SECONDS * 1000)
    assert Scripts(client).run("acquire_idempotency", *arguments) == ["held"]
