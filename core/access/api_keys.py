"""API keys: their records in Redis. `core.access.credentials` has their form.

Redis holds everything but the keys themselves. A record's id is the beginning of the key's SHA-256:
the key leads to its record, and the record does not lead to the key. Revoked ones stay: a service
whose last key is revoked is closed, not open.
"""

import hmac
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import redis
from pydantic import BaseModel, Field

from core.access.credentials import hash_of, is_credential, new_credential
from core.errors import KeyMalformed, KeyRevoked, KeyUnknown
from core.store import keys
from core.store.connection import Scripts, redis_errors

PREFIX = "baret_sk_"
USE_SECONDS = 60  # `last_used_at` is written at most this often


def new_key() -> str:
    """Return a new random key."""
    return new_credential(PREFIX)


def is_key(text: str) -> bool:
    """Return whether the text has a key's form and the right checksum."""
    return is_credential(text, PREFIX)


def id_of(text: str) -> str:
    """Return the id of a key's record."""
    return f"key_{hash_of(text)[:16]}"


class ApiKey(BaseModel):
    """A key's record. The key itself is shown once, when it is made."""

    id: str
    name: str
    caller: str = Field(description="whose edits it sees: its own id, or that of the key replaced")
    created_at: datetime
    last_used_at: datetime | None = Field(None, description="exact to a minute")
    revoked_at: datetime | None = None
    requests_per_minute: int | None = Field(None, description="None: as the settings say")
    edits_in_flight: int | None = Field(None, description="None: as the settings say")
    metrics: bool = Field(False, description="whether it may read the whole service's figures")


@dataclass(frozen=True)
class NewApiKey:
    """A request for a new key."""

    name: str  # for people
    replaces: str | None = None  # id of a key whose edits it sees
    requests_per_minute: int | None = None
    edits_in_flight: int | None = None
    metrics: bool = False  # whether it may read the whole service's figures


class Keyring:
    """The records of all keys. Its methods block for milliseconds and are thread-safe.

    Raises:
        StoreUnavailable: from any method, when Redis does not answer.
    """

    def __init__(self, client: redis.Redis):
        # The library's types cannot say that decode_responses makes every answer text.
        self._redis: Any = client
        self._write = Scripts(client).write
        self._is_configured = False

    @redis_errors()
    def configured(self) -> bool:
        """Return whether a key was ever made, which then stays so and is not asked again."""
        if not self._is_configured:
            self._is_configured = bool(self._redis.exists(keys.API_KEYS))
        return self._is_configured

    @redis_errors()
    def create(self, new: NewApiKey) -> tuple[str, ApiKey]:
        """Make a key.

        Returns:
            The key, which cannot be had again, and its record.

        Raises:
            KeyUnknown: the key to replace does not exist.
        """
        text = new_key()
        key_id = id_of(text)
        key = ApiKey(
            id=key_id,
            name=new.name,
            caller=self.get(new.replaces).caller if new.replaces else key_id,
            created_at=datetime.now(UTC),
            requests_per_minute=new.requests_per_minute,
            edits_in_flight=new.edits_in_flight,
            metrics=new.metrics,
        )
        fields = key.model_dump(mode="json", exclude_defaults=True)
        if key.metrics:
            fields["metrics"] = "true"  # Redis has no booleans
        with self._redis.pipeline(transaction=True) as both:
            both.hset(keys.api_key(key_id), mapping={**fields, "sha256": hash_of(text)})
            both.sadd(keys.API_KEYS, key_id)
            both.execute()
        return text, key

    @redis_errors()
    def all(self) -> list[ApiKey]:
        """Return every key ever made, the oldest first."""
        made = [self.get(key_id) for key_id in self._redis.smembers(keys.API_KEYS)]
        return sorted(made, key=lambda key: key.created_at)

    @redis_errors()
    def get(self, key_id: str) -> ApiKey:
        """Return the record of an id.

        Raises:
            KeyUnknown: it does not exist.
        """
        return ApiKey.model_validate(self._fields(key_id))

    @redis_errors()
    def revoke(self, key_id: str) -> ApiKey:
        """Make a key invalid from now on; a revoked key keeps its first time of revocation.

        Raises:
            KeyUnknown: it does not exist.
        """
        self._fields(key_id)
        now = datetime.now(UTC).isoformat()
        self._write("HSETNX", keys.api_key(key_id), "revoked_at", now)
        return self.get(key_id)

    @redis_errors()
    def authenticate(self, text: str) -> ApiKey:
        """Return the record of a valid key, and note its use.

        Raises:
            KeyMalformed, KeyUnknown, KeyRevoked: it is not valid; the messages never hold the key.
        """
        if not is_key(text):
            raise KeyMalformed("This is not a key: form or checksum is wrong. Copy all of it.")
        fields = self._fields(id_of(text))
        if not hmac.compare_digest(fields["sha256"], hash_of(text)):
            raise KeyUnknown("There is no such key.")
        return self._used(ApiKey.model_validate(fields))

    @redis_errors()
    def use(self, key_id: str) -> ApiKey:
        """Return the record of the key that made a valid user token, and note its use.

        Raises:
            KeyUnknown, KeyRevoked: the key is not valid, so none of its tokens is.
        """
        return self._used(self.get(key_id))

    def _used(self, key: ApiKey) -> ApiKey:
        if key.revoked_at:
            raise KeyRevoked("The key was revoked.")
        now = datetime.now(UTC)
        if key.last_used_at is None or (now - key.last_used_at).total_seconds() >= USE_SECONDS:
            self._write("HSET", keys.api_key(key.id), "last_used_at", now.isoformat())
        return key

    @redis_errors()
    def check(self, key_id: str) -> None:
        """Check that a key which was valid has not been revoked; an empty id is no key.

        Raises:
            KeyRevoked: it has.
        """
        if key_id and self._redis.hexists(keys.api_key(key_id), "revoked_at"):
            raise KeyRevoked("The key was revoked.")

    def _fields(self, key_id: str) -> dict[str, str]:
        fields: dict[str, str] = self._redis.hgetall(keys.api_key(key_id))
        if not fields:
            raise KeyUnknown("There is no such key.")
        return fields
