"""One edit for however many times a request is sent (`Idempotency-Key`).

`baret:idempotency:<hash of caller and key>` holds what the body was, who is taking it (`token`),
then the edit, then the answer that was given. The edit is noted by `submit.lua`, in the same move
that accepts it and only for the token that still holds the key: two requests never both succeed.
"""

import hashlib
import json
import secrets
from dataclasses import dataclass
from typing import Any

import redis

from core.errors import IdempotencyInProgress, IdempotencyMismatch
from core.store.connection import Scripts, redis_errors

REPLAY_SECONDS = 24 * 3600
# A request that neither came to an end nor freed its key (a process that was killed) holds it for
# this long; one that goes on renews it.
TAKING_SECONDS = 15


@dataclass(frozen=True)
class IdempotencyLock:
    """A key that this request holds; `token` tells it from others with the same key."""

    name: str
    token: str


@dataclass(frozen=True)
class Replay:
    """What came of the first request."""

    edit_id: str
    answer: (
        dict[str, Any] | None
    )  # as `store_response` was given it; None: it is still being written


class Idempotency:
    """The keys in Redis. Its methods block for milliseconds and are thread-safe.

    Raises:
        StoreUnavailable: from any method, when Redis does not answer.
    """

    def __init__(self, client: redis.Redis):
        self._run = Scripts(client).run

    @redis_errors()
    def acquire(self, caller: str, key: str, *, body: str) -> IdempotencyLock | Replay:
        """Hold a caller's key for a request with this body, or learn what came of it before.

        Args:
            caller: keys of different callers are different keys.
            key: as the caller chose it.
            body: a hash of all that the request asks for.

        Raises:
            IdempotencyMismatch: the key was used with another body.
            IdempotencyInProgress: the first request has not been accepted yet.
        """
        lock = IdempotencyLock(
            hashlib.sha256(json.dumps([caller, key]).encode()).hexdigest(), secrets.token_hex(16)
        )
        state, *rest = self._run(
            "acquire_idempotency", lock.name, body, lock.token, TAKING_SECONDS * 1000
        )
        if state == "mismatch":
            raise IdempotencyMismatch("This Idempotency-Key was used with another body.")
        if state == "busy":
            raise IdempotencyInProgress("The first request with this Idempotency-Key still runs.")
        if state == "accepted":
            return Replay(rest[0], json.loads(rest[1]) if rest[1] else None)
        return lock

    @redis_errors()
    def renew(self, lock: IdempotencyLock) -> None:
        """Hold the key for `TAKING_SECONDS` from now."""
        self._run("renew_idempotency", lock.name, lock.token, TAKING_SECONDS * 1000)

    @redis_errors()
    def store_response(self, lock: IdempotencyLock, answer: dict[str, Any]) -> None:
        """Note the answer of an accepted request, for those that repeat it."""
        self._run("store_response", lock.name, json.dumps(answer), REPLAY_SECONDS * 1000)

    @redis_errors()
    def release(self, lock: IdempotencyLock) -> None:
        """Free the key of a request that failed; one whose edit was accepted keeps it."""
        self._run("release_idempotency", lock.name, lock.token)
