"""User tokens: what an app sends in the place of its operator's API key, for a few hours.

A token is made from a key and speaks for one of the key's users: it makes edits and sees those of
this user alone. It is `baret_tk_` and what `core.access.credentials` says. Redis holds its SHA-256
and a record, which Redis itself drops when the token expires; `submit.lua` counts its edits there.
"""

import hmac
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import redis
from pydantic import BaseModel

from core.access.credentials import hash_of, is_credential, new_credential
from core.errors import KeyMalformed, KeyUnknown
from core.store import keys
from core.store.connection import redis_errors

TOKEN_PREFIX = "baret_tk_"  # noqa: S105 - the beginning of all of them


@dataclass(frozen=True)
class NewUserToken:
    """A request for a new token."""

    key: str  # id of the key that it is made from
    ttl: int  # seconds
    edits: int | None = None  # that it may make; None for no limit of its own
    user: str | None = None  # of the key's caller; None for one that no other token has


class UserToken(BaseModel):
    """A token's record."""

    id: str
    key: str
    user: str
    edits: int | None = None
    expires_at: datetime


class UserTokens:
    """The records of all valid tokens. Its methods block for milliseconds and are thread-safe.

    Raises:
        StoreUnavailable: from any method, when Redis does not answer.
    """

    def __init__(self, client: redis.Redis):
        # The library's types cannot say that decode_responses makes every answer text.
        self._redis: Any = client

    @redis_errors()
    def create(self, new: NewUserToken) -> tuple[str, UserToken]:
        """Make a token.

        Returns:
            The token, which cannot be had again, and its record.

        Raises:
            StoreFull: Redis has no room for it.
        """
        text = new_credential(TOKEN_PREFIX)
        token_id = _id_of(text)
        token = UserToken(
            id=token_id,
            key=new.key,
            user=token_id if new.user is None else new.user,
            edits=new.edits,
            expires_at=datetime.now(UTC) + timedelta(seconds=new.ttl),
        )
        fields = token.model_dump(mode="json", exclude_none=True) | {"sha256": hash_of(text)}
        if new.edits is not None:
            fields["edits_left"] = new.edits
        with self._redis.pipeline(transaction=True) as both:
            both.hset(keys.user_token(token_id), mapping=fields)
            both.expire(keys.user_token(token_id), new.ttl)
            both.execute()
        return text, token

    @redis_errors()
    def authenticate(self, text: str) -> UserToken:
        """Return the record of a valid token. Its key may have been revoked: `Keyring.use`.

        Raises:
            KeyMalformed, KeyUnknown: it is not valid; the messages never hold the token.
        """
        if not is_credential(text, TOKEN_PREFIX):
            raise KeyMalformed("This is not a token: form or checksum is wrong. Copy all of it.")
        fields: dict[str, str] = self._redis.hgetall(keys.user_token(_id_of(text)))
        if not fields or not hmac.compare_digest(fields["sha256"], hash_of(text)):
            raise KeyUnknown("The token has expired, or there never was one. Get a new one.")
        return UserToken.model_validate(fields)


def _id_of(text: str) -> str:
    return f"tok_{hash_of(text)[:16]}"
