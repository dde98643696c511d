"""API keys on a real Valkey."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import redis

from core.access.api_keys import Keyring, NewApiKey, id_of, new_key
from core.errors import KeyMalformed, KeyRevoked, KeyUnknown, StoreUnavailable
from core.store import keys
from core.store.connection import connect


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    with connect(redis_url) as client:
        yield client


@pytest.fixture
def keyring(client: redis.Redis) -> Keyring:
    return Keyring(client)


def test_a_key_that_was_made_is_admitted_with_all_that_was_wished(keyring: Keyring) -> None:
    assert not keyring.configured()
    text, made = keyring.create(NewApiKey("web", requests_per_minute=5, edits_in_flight=2))
    assert keyring.configured()
    found = keyring.authenticate(text)
    assert found == made
    assert (found.id, found.name, found.caller) == (id_of(text), "web", found.id)
    assert (found.requests_per_minute, found.edits_in_flight) == (5, 2)
    assert abs((datetime.now(UTC) - found.created_at).total_seconds()) < 5


def test_nothing_in_redis_holds_the_key(keyring: Keyring, client: redis.Redis) -> None:
    text, made = keyring.create(NewApiKey("web"))
    secret = text.removeprefix("baret_sk_")
    stored = [str(client.hgetall(keys.api_key(made.id))), str(client.keys("*"))]
    assert len(client.keys("*")) == 2
    assert not any(secret in text or secret[:8] in text for text in stored)


def test_a_use_is_noted_at_most_once_a_minute(keyring: Keyring, client: redis.Redis) -> None:
    text, made = keyring.create(NewApiKey("web"))
    assert made.last_used_at is None
    keyring.authenticate(text)
    first = keyring.get(made.id).last_used_at
    assert first is not None
    keyring.authenticate(text)
    assert keyring.get(made.id).last_used_at == first
    earlier = "2026-01-01T00:00:00+00:00"
    client.hset(keys.api_key(made.id), "last_used_at", earlier)
    keyring.authenticate(text)
    assert keyring.get(made.id).last_used_at != datetime.fromisoformat(earlier)


def test_a_revoked_key_is_refused_stays_listed_and_keeps_the_service_closed(
    keyring: Keyring,
) -> None:
    text, made = keyring.create(NewApiKey("web"))
    revoked = keyring.revoke(made.id)
    assert revoked.revoked_at is not None
    assert keyring.revoke(made.id).revoked_at == revoked.revoked_at
    with pytest.raises(KeyRevoked):
        keyring.authenticate(text)
    assert [key.revoked_at for key in keyring.all()] == [revoked.revoked_at]
    assert keyring.configured()


def test_a_key_that_replaces_another_speaks_for_the_same_caller(keyring: Keyring) -> None:
    _, first = keyring.create(NewApiKey("web"))
    _, second = keyring.create(NewApiKey("web", replaces=first.id))
    _, third = keyring.create(NewApiKey("web", replaces=second.id))
    assert first.caller == second.caller == third.caller == first.id
    assert [key.id for key in keyring.all()] == [first.id, second.id, third.id]


def test_what_is_no_key_of_ours_is_refused_and_not_told(keyring: Keyring) -> None:
    stranger = new_key()
    with pytest.raises(KeyUnknown) as unknown:
        keyring.authenticate(stranger)
    mistyped = stranger[:-1] + ("a" if stranger[-1] != "a" else "b")
    with pytest.raises(KeyMalformed) as malformed:
        keyring.authenticate(mistyped)
    assert stranger[9:] not in str(unknown.value)
    assert mistyped[9:] not in str(malformed.value)
    for use in (
        keyring.get,
        keyring.revoke,
        lambda id: keyring.create(NewApiKey("x", replaces=id)),
    ):
        with pytest.raises(KeyUnknown):
            use("key_0000000000000000")
    assert not keyring.configured()


def test_a_mistyped_key_is_refused_without_asking_redis() -> None:
    with connect("redis://127.0.0.1:1/0") as client:
        keyring = Keyring(client)
        with pytest.raises(KeyMalformed):
            keyring.authenticate("baret_sk_" + "0" * 38)
        with pytest.raises(StoreUnavailable):
            keyring.authenticate(new_key())


def test_a_record_under_the_beginning_of_another_hash_admits_nobody(
    keyring: Keyring, client: redis.Redis
) -> None:
    _, made = keyring.create(NewApiKey("web"))
    stranger = new_key()
    client.rename(keys.api_key(made.id), keys.api_key(id_of(stranger)))
    with pytest.raises(KeyUnknown):
        keyring.authenticate(stranger)
