"""What the housekeeper does with edits: reclaim, resend, expire, delete."""

import json
from typing import Any

import redis

from core.schema import EditStatus
from core.store import keys
from core.store.claims import LEASE_SECONDS
from core.store.connection import RedisStore, redis_errors
from core.store.stats import redis_now

MAX_ATTEMPTS = 3
EXPIRED_SECONDS = 24 * 3600  # that an edit is known to have expired; afterwards it never existed
DELETION_LEASE_SECONDS = 60.0  # longer than deleting an edit's images takes


class HousekeepingStore(RedisStore):
    """The housekeeper's part of `EditStore`."""

    @redis_errors()
    def reclaim_expired_leases(self, problem: dict[str, Any]) -> list[tuple[str, str, EditStatus]]:
        """Reclaim edits from lost workers; after `MAX_ATTEMPTS` they fail with `problem`.

        Returns:
            (id, model, new status) of each reclaimed edit.
        """
        lease = int(LEASE_SECONDS * 1000)
        reclaimed = self._run("reclaim_expired_leases", MAX_ATTEMPTS, json.dumps(problem), lease)
        return [(edit_id, model, EditStatus(status)) for edit_id, model, status in reclaimed]

    @redis_errors()
    def waiting(self, model: str, *, longer_than: float, limit: int) -> list[str]:
        """Return the ids that have waited for a model longer than these seconds, oldest first."""
        until = int((redis_now(self._redis) - longer_than) * 1000)
        ids: list[str] = self._redis.zrange(
            keys.waiting(model), "-inf", until, byscore=True, offset=0, num=limit
        )
        return ids

    @redis_errors()
    def unqueue(self, model: str, member: str) -> None:
        """Remove from a model's queue what is not an edit."""
        self._redis.zrem(keys.waiting(model), member)

    @redis_errors()
    def messages(self, queue: str) -> int:
        """Return how many messages lie in a Celery queue."""
        try:
            return int(self._redis.llen(queue))
        except redis.ResponseError:
            return 0  # not a list: the next message repairs it (core/broker/transport.py)

    @redis_errors()
    def expire(self, *, limit: int) -> list[str]:
        """Delete the records of up to `limit` edits that are due, and return their ids."""
        ids: list[str] = self._run("expire", limit, EXPIRED_SECONDS)
        return ids

    @redis_errors()
    def claim_deletion(self) -> str | None:
        """Claim a prefix of the object store under which everything must be deleted.

        It is an edit's id, or the prefix of a photo or of its inversions. If its deletion is not
        confirmed within a minute, it becomes due again.
        """
        prefix: str | None = self._run("claim_deletion", int(DELETION_LEASE_SECONDS * 1000))
        return prefix

    @redis_errors()
    def confirm_deletion(self, prefix: str) -> None:
        """Note that nothing is left under the prefix: its caller holds these bytes no longer."""
        self._run("confirm_deletion", prefix)
