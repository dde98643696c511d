"""Edits of a caller's users, on a real Valkey: whose they are, and what a user token may make."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

from core.access.user_tokens import NewUserToken, UserToken, UserTokens
from core.errors import EditExpired, EditNotFound, QueueFull, TokenSpent, TooManyInFlight
from core.images.keys import (
    caller_inversions_prefix,
    image_inversions_prefix,
    is_deletable_prefix,
)
from core.schema import Submission, is_seen_by, owner_of
from core.store import keys
from core.store.connection import connect
from core.store.edits import EditStore
from tests.support.listing import listed

Make = Callable[..., Submission]

ANN, BEN = "key_a ann", "key_a ben"


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    with connect(redis_url) as client:
        yield client


def of(made: Submission, user: str | None, caller: str = "key_a") -> Submission:
    return made.model_copy(update={"caller": caller, "user": user})


def submitted(store: EditStore, made: Submission) -> str:
    store.submit(made, limit=100)
    return made.id


def test_a_user_sees_its_own_edits_and_the_caller_all(store: EditStore, submission: Make) -> None:
    mine = submitted(store, of(submission(), "ann"))
    yours = submitted(store, of(submission(), "ben"))
    keys_own = submitted(store, of(submission(), None))
    for viewer, seen in (
        ("key_a", [keys_own, yours, mine]),
        (ANN, [mine]),
        (BEN, [yours]),
        ("key_b", []),
        ("key_b ann", []),
        ("key", []),
        ("ann", []),
    ):
        assert listed(store, viewer) == seen
        for edit_id in (mine, yours, keys_own):
            if edit_id in seen:
                assert store.get(edit_id, caller=viewer).submission.id == edit_id
                continue
            for ask in (store.get, store.cancel, store.delete):
                with pytest.raises(EditNotFound):
                    ask(edit_id, caller=viewer)


def test_an_owners_name_tells_callers_and_users_apart() -> None:
    names = [owner_of(caller, user) for caller in ("a", "b") for user in (None, "a", "b")]
    assert names == ["a", "a a", "a b", "b", "b a", "b b"]
    assert [name for name in names if is_seen_by("a", name)] == ["a", "a a", "a b"]
    assert [name for name in names if is_seen_by("a b", name)] == ["a b"]


def test_an_expired_edit_is_known_to_its_user_and_the_caller_alone(
    store: EditStore, submission: Make, client: redis.Redis
) -> None:
    edit_id = submitted(store, of(submission(), "ann"))
    store.cancel(edit_id, caller=ANN)
    client.hset(keys.edit(edit_id), "expires_ms", 1)
    client.zadd(keys.EXPIRING, {edit_id: 1})
    for _ in range(2):  # before a housekeeper comes, and after
        for viewer in ("key_a", ANN):
            with pytest.raises(EditExpired):
                store.get(edit_id, caller=viewer)
        with pytest.raises(EditNotFound):
            store.get(edit_id, caller=BEN)
        store.expire(limit=10)
    assert not client.exists(keys.listing("key_a"), keys.listing(ANN))


def test_nothing_of_a_user_is_left_once_its_edits_are_deleted(
    store: EditStore, submission: Make, client: redis.Redis
) -> None:
    edit_id = submitted(store, of(submission(), "ann@example.org"))
    assert client.exists(keys.listing("key_a ann@example.org"))
    store.delete(edit_id, caller="key_a")
    assert not any("ann@example.org" in name for name in client.keys("*"))


def test_a_callers_bound_holds_over_all_its_users(store: EditStore, submission: Make) -> None:
    for user in ("ann", "ben"):
        store.submit(of(submission(), user), limit=100, in_flight=2)
    for user in ("ann", "cid", None):
        with pytest.raises(TooManyInFlight):
            store.submit(of(submission(), user), limit=100, in_flight=2)


def test_no_user_finds_anothers_inversions_and_the_caller_has_one_cache(submission: Make) -> None:
    made = [of(submission(), user, caller) for caller in ("a", "b") for user in (None, "a", "b")]
    assert len({image_inversions_prefix(one) for one in made}) == 6
    assert len({caller_inversions_prefix(one) for one in made}) == 2
    assert all(is_deletable_prefix(image_inversions_prefix(one)) for one in made)


# --- what a token may make


@pytest.fixture
def make_token(client: redis.Redis) -> Callable[..., UserToken]:
    def make(edits: int | None) -> UserToken:
        return UserTokens(client).create(NewUserToken("key_a", ttl=60, edits=edits, user="ann"))[1]

    return make


def test_a_token_makes_as_many_edits_as_it_may_and_none_more(
    store: EditStore, submission: Make, make_token: Callable[..., UserToken], client: redis.Redis
) -> None:
    token = make_token(edits=2)
    made = of(submission(), "ann")
    with pytest.raises(QueueFull):  # what is refused does not count
        store.submit(made, limit=0, user_token=token.id)
    for _ in range(3):  # nor what is sent again because its answer was lost
        store.submit(made, limit=100, user_token=token.id)
    store.cancel(made.id, caller=ANN)  # a canceled one does
    store.submit(of(submission(), "ann"), limit=100, user_token=token.id)
    refused = of(submission(), "ann")
    with pytest.raises(TokenSpent):
        store.submit(refused, limit=100, user_token=token.id)
    with pytest.raises(EditNotFound):
        store.get(refused.id)
    assert client.ttl(keys.user_token(token.id)) > 0


def test_who_asks_at_once_makes_no_more_than_the_token_may(
    store: EditStore, submission: Make, make_token: Callable[..., UserToken]
) -> None:
    token = make_token(edits=7)

    def ask(_: int) -> bool:
        try:
            store.submit(of(submission(), "ann"), limit=100, user_token=token.id)
        except TokenSpent:
            return False
        return True

    with ThreadPoolExecutor(10) as pool:
        assert sum(pool.map(ask, range(40))) == 7


@pytest.mark.parametrize("is_expired", [False, True])
def test_a_token_without_a_bound_or_a_record_leaves_none_behind(
    store: EditStore,
    submission: Make,
    make_token: Callable[..., UserToken],
    client: redis.Redis,
    is_expired: bool,
) -> None:
    token = make_token(edits=1 if is_expired else None)
    if is_expired:  # while its request was being read
        client.delete(keys.user_token(token.id))
    before = client.hgetall(keys.user_token(token.id))
    for _ in range(3):
        store.submit(of(submission(), "ann"), limit=100, user_token=token.id)
    assert client.hgetall(keys.user_token(token.id)) == before
