"""One edit, however often a request is sent (`Idempotency-Key`).

A key's hash holds a hash of the body, the token of the request that holds the key, then the edit,
then the reply: how the request was answered, without what its edit holds already. `submit.lua`
notes the edit in the same move that accepts it, and only for the token that still holds the key:
two requests never both succeed. Once the edit is deleted, the hash says only that it was.
"""

import hashlib
import json
import secrets
from dataclasses import dataclass

import redis

from core.errors import EditDeleted, EditExpired, IdempotencyInProgress, IdempotencyMismatch
from core.store.connection import Scripts, redis_errors

REPLAY_SECONDS = 24 * 3600
# How long a request holds its key unless it renews it: the time that others wait if the process was
# killed.
LOCK_SECONDS = 15


@dataclass(frozen=True)
class IdempotencyLock:
    """A key that a request holds; `token` tells it from other requests with the same key."""

    name: str
    token: str


@dataclass(frozen=True)
class Replay:
    """The outcome of the first request."""

    id: str  # of the edit or the batch that it made
    reply: str | None  # as given to `store_reply`; None: not written yet


class Idempotency:
    """The keys in Redis. Its methods block for milliseconds and are thread-safe.

    Raises:
        StoreUnavailable: from any method, when Redis does not answer.
    """

    def __init__(self, client: redis.Redis):
        self._run = Scripts(client).run

    @redis_errors()
    def acquire(self, owner: str, key: str, *, body: str) -> IdempotencyLock | Replay:
        """Lock an owner's key for a request with this body, or return an earlier outcome.

        Args:
            owner: a caller, or one of its users; the same key of another one is another key.
            key: as the client chose it.
            body: a hash of everything that the request asks for.

        Raises:
            IdempotencyMismatch: the key was used with another body.
            IdempotencyInProgress: the first request has not been accepted yet.
            EditDeleted, EditExpired: the edit that was made under the key is gone.
        """
        name = hashlib.sha256(json.dumps([owner, key]).encode()).hexdigest()
        lock = IdempotencyLock(name, token=secrets.token_hex(16))
        state, *rest = self._run(
            "acquire_idempotency", lock.name, body, lock.token, LOCK_SECONDS * 1000
        )
        if state == "mismatch":
            raise IdempotencyMismatch("This Idempotency-Key was used with another body.")
        if state == "busy":
            raise IdempotencyInProgress(
                "The first request with this Idempotency-Key is still running."
            )
        if state == "gone":
            raise _gone(rest[0])
        if state == "accepted":
            return Replay(rest[0], rest[1] or None)
        return lock

    @redis_errors()
    def renew(self, lock: IdempotencyLock) -> None:
        """Hold the key for another `LOCK_SECONDS`."""
        self._run("renew_idempotency", lock.name, lock.token, LOCK_SECONDS * 1000)

    @redis_errors()
    def store_reply(self, lock: IdempotencyLock, reply: str) -> None:
        """Store how an accepted request was answered, for those that repeat it.

        Nothing happens if its edit has been deleted meanwhile.
        """
        self._run("store_reply", lock.name, reply, REPLAY_SECONDS * 1000)

    @redis_errors()
    def release(self, lock: IdempotencyLock) -> None:
        """Free the key of a failed request; nothing happens if its edit was accepted."""
        self._run("release_idempotency", lock.name, lock.token)


def _gone(reason: str) -> EditDeleted | EditExpired:
    if reason == "deleted":
        return EditDeleted("The edit that this Idempotency-Key made was deleted; use a new key.")
    return EditExpired("The edit that this Idempotency-Key made has expired; use a new key.")
