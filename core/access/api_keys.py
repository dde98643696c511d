"""The API keys that were made, in Redis: everything but the keys themselves.

A record's id is the beginning of the key's SHA-256: whoever holds a key finds its record, and the
record leads to no key. Revoked ones stay: a service whose last key is revoked is closed, not open.

Keys: `baret:keys` the ids · `baret:key:<id>` a record.
"""

import hmac
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import redis
from pydantic import BaseModel, Field

from core.access.key_format import hash_of, id_of, is_key, new_key
from core.errors import KeyMalformed, KeyRevoked, KeyUnknown
from core.store import keys
from core.store.connection import Scripts, redis_errors

USE_SECONDS = 60  # `last_used_at` is written at most this often


class ApiKey(BaseModel):
    """A key as it is listed. The key itself is shown once, when it is made."""

    id: str
    name: str
    caller: str = Field(description="whose edits it sees: its own id, or that of the key replaced")
    created_at: datetime
    last_used_at: datetime | None = Field(None, description="exact to a minute")
    revoked_at: datetime | None = None
    requests_per_minute: int | None = Field(None, description="None: as the settings say")
    edits_in_flight: int | None = Field(None, description="None: as the settings say")


@dataclass(frozen=True)
class NewApiKey:
    """What a new key is to be: a name for people, a key whose edits it sees, limits of its own."""

    name: str
    replaces: str | None = None
    requests_per_minute: int | None = None
    edits_in_flight: int | None = None


class Keyring:
    """The keys in Redis. Its methods block for milliseconds and are thread-safe.

    Raises:
        StoreUnavailable: from any method, when Redis does not answer.
    """

    def __init__(self, client: redis.Redis):
        # The library's types cannot say that decode_responses makes every answer text.
        self._redis: Any = client
        self._write = Scripts(client).write

    @redis_errors()
    def configured(self) -> bool:
        """Whether a key was ever made."""
        return bool(self._redis.exists(keys.API_KEYS))

    @redis_errors()
    def create(self, wish: NewApiKey) -> tuple[str, ApiKey]:
        """Make a key.

        Returns:
            The key, which cannot be had again, and its record.

        Raises:
            KeyUnknown: there is no key to replace.
        """
        text = new_key()
        key_id = id_of(text)
        key = ApiKey(
            id=key_id,
            name=wish.name,
            caller=self.get(wish.replaces).caller if wish.replaces else key_id,
            created_at=datetime.now(UTC),
            requests_per_minute=wish.requests_per_minute,
            edits_in_flight=wish.edits_in_flight,
        )
        fields = key.model_dump(mode="json", exclude_none=True)
        with self._redis.pipeline(transaction=True) as both:
            both.hset(keys.api_key(key_id), mapping={**fields, "sha256": hash_of(text)})
            both.sadd(keys.API_KEYS, key_id)
            both.execute()
        return text, key

    @redis_errors()
    def all(self) -> list[ApiKey]:
        """Every key ever made, the oldest first."""
        made = [self.get(key_id) for key_id in self._redis.smembers(keys.API_KEYS)]
        return sorted(made, key=lambda key: key.created_at)

    @redis_errors()
    def get(self, key_id: str) -> ApiKey:
        """The record of an id.

        Raises:
            KeyUnknown: there is none.
        """
        return ApiKey.model_validate(self._fields(key_id))

    @redis_errors()
    def revoke(self, key_id: str) -> ApiKey:
        """Make a key invalid from now on; one that was revoked before stays as it is.

        Raises:
            KeyUnknown: there is none.
        """
        self._fields(key_id)
        now = datetime.now(UTC).isoformat()
        self._write("HSETNX", keys.api_key(key_id), "revoked_at", now)
        return self.get(key_id)

    @redis_errors()
    def authenticate(self, text: str) -> ApiKey:
        """The record of a key that may be used, noting that it is.

        Raises:
            KeyMalformed, KeyUnknown, KeyRevoked: it may not; the messages never hold the key.
        """
        if not is_key(text):
            raise KeyMalformed("This is no key: its form or its checksum is wrong. Copy all of it.")
        fields = self._fields(id_of(text))
        if not hmac.compare_digest(fields["sha256"], hash_of(text)):
            raise KeyUnknown("There is no such key.")
        key = ApiKey.model_validate(fields)
        if key.revoked_at:
            raise KeyRevoked("The key was revoked.")
        now = datetime.now(UTC)
        if key.last_used_at is None or (now - key.last_used_at).total_seconds() >= USE_SECONDS:
            self._write("HSET", keys.api_key(key.id), "last_used_at", now.isoformat())
        return key

    def _fields(self, key_id: str) -> dict[str, str]:
        fields: dict[str, str] = self._redis.hgetall(keys.api_key(key_id))
        if not fields:
            raise KeyUnknown("There is no such key.")
        return fields
