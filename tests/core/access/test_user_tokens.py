"""User tokens on a real Valkey."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import redis

from core.access.api_keys import Keyring, NewApiKey, is_key, new_key
from core.access.credentials import is_credential
from core.access.user_tokens import TOKEN_PREFIX, NewUserToken, UserToken, UserTokens
from core.errors import KeyMalformed, KeyRevoked, KeyUnknown
from core.store import keys
from core.store.connection import connect
from core.telemetry.redaction import redact

KEY = "key_0123456789abcdef"


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    with connect(redis_url) as client:
        yield client


@pytest.fixture
def tokens(client: redis.Redis) -> UserTokens:
    return UserTokens(client)


def test_a_token_is_known_with_all_that_was_asked_for(tokens: UserTokens) -> None:
    text, made = tokens.create(NewUserToken(KEY, ttl=60, edits=3, user="user-42"))
    assert tokens.authenticate(text) == made
    assert (made.key, made.user, made.edits) == (KEY, "user-42", 3)
    assert 58 < (made.expires_at - datetime.now(UTC)).total_seconds() <= 60


def test_without_a_user_each_token_is_a_user_of_its_own(tokens: UserTokens) -> None:
    (_, one), (_, other) = (tokens.create(NewUserToken(KEY, ttl=60)) for _ in range(2))
    assert (one.user, other.user) == (one.id, other.id)
    assert one.id != other.id
    assert one.edits is None


def test_redis_drops_a_token_when_it_expires(tokens: UserTokens, client: redis.Redis) -> None:
    text, made = tokens.create(NewUserToken(KEY, ttl=60))
    assert 58_000 < client.pttl(keys.user_token(made.id)) <= 60_000
    client.pexpire(keys.user_token(made.id), 1)
    while client.exists(keys.user_token(made.id)):
        pass
    with pytest.raises(KeyUnknown, match="expired"):
        tokens.authenticate(text)


def test_nothing_in_redis_holds_the_token(tokens: UserTokens, client: redis.Redis) -> None:
    text, made = tokens.create(NewUserToken(KEY, ttl=60))
    secret = text.removeprefix(TOKEN_PREFIX)
    (name,) = client.keys("*")
    assert name == keys.user_token(made.id)
    assert secret[:8] not in f"{name} {client.hgetall(name)}"


def test_a_token_has_the_form_of_a_key_under_its_own_prefix(tokens: UserTokens) -> None:
    text, _ = tokens.create(NewUserToken(KEY, ttl=60))
    assert is_credential(text, TOKEN_PREFIX)
    assert not is_key(text)
    assert not is_credential(new_key(), TOKEN_PREFIX)
    assert redact(f"a {text} b") == f"a {TOKEN_PREFIX}… b"


def test_what_is_no_token_of_ours_is_refused_and_not_told(tokens: UserTokens) -> None:
    text, _ = tokens.create(NewUserToken(KEY, ttl=60))
    mistyped = text[:-1] + ("a" if text[-1] != "a" else "b")
    for wrong in (mistyped, text[:-1], f"{text}0", new_key(), TOKEN_PREFIX, ""):
        with pytest.raises(KeyMalformed) as malformed:
            tokens.authenticate(wrong)
        assert not wrong or wrong not in str(malformed.value)


def test_a_record_under_the_beginning_of_another_hash_admits_nobody(
    tokens: UserTokens, client: redis.Redis
) -> None:
    stranger, gone = tokens.create(NewUserToken(KEY, ttl=60))
    _, made = tokens.create(NewUserToken(KEY, ttl=60))
    client.rename(keys.user_token(made.id), keys.user_token(gone.id))
    with pytest.raises(KeyUnknown):
        tokens.authenticate(stranger)


def test_the_key_of_a_token_is_used_and_refused_as_if_it_were_sent(client: redis.Redis) -> None:
    keyring = Keyring(client)
    _, made = keyring.create(NewApiKey("web"))
    assert keyring.use(made.id).id == made.id
    assert keyring.get(made.id).last_used_at is not None
    keyring.revoke(made.id)
    with pytest.raises(KeyRevoked):
        keyring.use(made.id)
    with pytest.raises(KeyUnknown):
        keyring.use(KEY)


def test_a_record_is_what_its_fields_say(tokens: UserTokens, client: redis.Redis) -> None:
    text, made = tokens.create(NewUserToken(KEY, ttl=60, edits=2, user="u"))
    stored = client.hgetall(keys.user_token(made.id))
    assert stored["edits_left"] == "2"
    assert UserToken.model_validate(stored) == tokens.authenticate(text)
