"""Batches: long lists of edits, fed into the queue a few at a time.

A batch's lines lie in the image storage, in pages; here is its record, and what each line has
become: an edit or a problem, noted once, in the same move that accepts the edit (`submit.lua`). So
however many processes feed a batch, each line makes one edit. A caller's batches go one after the
other, and one process at a time claims a caller; that saves work and decides nothing.

Redis counts the edits of a batch as they end, and ends the batch with the last of them.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from core.errors import BatchNotFound, IdempotencyInProgress, TooManyBatches
from core.ids import is_batch_id
from core.images.keys import batch_prefix
from core.schema import BatchPlace, BatchRecord, BatchStatus, NewBatch, RequestCounts
from core.store import keys
from core.store.connection import RedisStore, redis_errors
from core.store.edits import GRACE_SECONDS, over_quota
from core.store.idempotency import REPLAY_SECONDS, IdempotencyLock

DEADLINE = timedelta(days=7)  # from a batch's acceptance
STOP_SECONDS = 600.0  # that running edits of a batch have to stop: longer than leases and attempts
MAX_OPEN = 20  # batches of a caller whose edits are not all queued
CLAIM_SECONDS = 60.0  # a process that does not renew its claim for this long is lost
ERASED_AT_ONCE = 100  # edits: deleting one takes Redis half a millisecond
MAX_EXPIRED = 20  # batches that one round expires
RECORD_BYTES = 4096  # that a batch takes in Redis beside its metadata and its lines
LINE_BYTES = 128  # that what a line has become takes there; the text of a problem more


@dataclass(frozen=True)
class BatchClaim:
    """A batch to be fed, and how many edits of its caller's batches wait or run."""

    batch_id: str
    in_flight: int


class Batches(RedisStore):
    """The records of all batches. Its methods block for milliseconds and are thread-safe.

    Raises:
        StoreUnavailable: from any method, when Redis does not answer.
    """

    @redis_errors()
    def create(
        self, new: NewBatch, *, record_bytes: int = 0, lock: IdempotencyLock | None = None
    ) -> None:
        """Accept a batch whose lines are stored.

        Args:
            new: it.
            record_bytes: how many bytes the records of a caller may take; 0: any number.
            lock: the idempotency key that the batch is noted under.

        Raises:
            TooManyBatches: the caller has `MAX_OPEN` batches whose edits are not all queued.
            QuotaExceeded: its records would take more than `record_bytes`.
            IdempotencyInProgress: another request holds the key now.
        """
        fixed = new.model_dump_json()
        outcome = self._run(
            "create_batch",
            new.id,
            new.caller,
            batch_prefix(new.id),
            new.total,
            int(DEADLINE.total_seconds() * 1000),
            len(fixed) + RECORD_BYTES + LINE_BYTES * new.total,
            record_bytes,
            MAX_OPEN,
            *((lock.name, lock.token) if lock else ("", "")),
            REPLAY_SECONDS * 1000,
            *("new", fixed, "webhook_url", new.webhook_url),
            *("keep_ms", int(new.keep_seconds * 1000)),
        )
        if outcome == "over_quota":
            raise over_quota("records", record_bytes)
        if outcome == "not_held":
            raise IdempotencyInProgress("Another request took over this Idempotency-Key.")
        if outcome == "too_many":
            raise TooManyBatches(
                f"You have {MAX_OPEN} batches with edits that are not queued yet, the maximum; "
                "wait until one has fewer, or cancel one."
            )

    @redis_errors()
    def get(self, batch_id: str, *, caller: str | None = None) -> BatchRecord:
        """Return a batch's current record.

        Args:
            batch_id: `batch_…`.
            caller: whose it must be; None: anybody's.

        Raises:
            BatchNotFound: no such batch, or another caller's.
        """
        fields = self._redis.hgetall(keys.batch(batch_id)) if is_batch_id(batch_id) else {}
        if not fields or "deleted" in fields or caller not in (None, fields["caller"]):
            raise BatchNotFound("No batch has this id.")
        return _record(fields)

    @redis_errors()
    def page(
        self, caller: str, *, before: str | None, limit: int
    ) -> tuple[list[BatchRecord], str | None]:
        """Return at most `limit` of a caller's batches older than `before`, the newest first.

        Returns:
            The batches, and the id of the last one if more follow it.
        """
        upper = f"({before}" if before else "+"
        ids = self._redis.zrange(
            keys.batches(caller), upper, "-", desc=True, bylex=True, offset=0, num=limit + 1
        )
        with self._redis.pipeline(transaction=False) as pipeline:
            for batch_id in ids[:limit]:
                pipeline.hgetall(keys.batch(batch_id))
            found = pipeline.execute()
        records = [_record(fields) for fields in found if fields and "deleted" not in fields]
        return records, ids[limit - 1] if len(ids) > limit else None

    @redis_errors()
    def lines(self, batch_id: str, lines: Sequence[int]) -> list[str | None]:
        """Return what lines have become: an edit's id, a problem as JSON, or None."""
        found: list[str | None] = self._redis.hmget(keys.batch_lines(batch_id), lines)
        return found

    @redis_errors()
    def claim(self) -> BatchClaim | None:
        """Claim the batch that is to be fed next, for `CLAIM_SECONDS` unless it is renewed."""
        claimed = self._run("claim_batch", int(CLAIM_SECONDS * 1000))
        return BatchClaim(claimed[0], int(claimed[1])) if claimed else None

    @redis_errors()
    def renew(self, caller: str) -> None:
        """Hold a claim for another `CLAIM_SECONDS`."""
        self._run("schedule_batch", caller, int(CLAIM_SECONDS * 1000))

    @redis_errors()
    def release(self, caller: str, *, seconds: float) -> None:
        """Give a claim back; the caller's batch is to be fed again in so many seconds."""
        self._run("schedule_batch", caller, int(seconds * 1000))

    @redis_errors()
    def fail_line(self, place: BatchPlace, problem: dict[str, Any]) -> None:
        """Note why a line makes no edit, unless it has become something already."""
        self._run("fail_batch_line", place.batch_id, place.line, json.dumps(problem))

    @redis_errors()
    def block(self, batch_id: str, problem: dict[str, Any]) -> None:
        """Note why the next line cannot be queued now; the next one that is queued clears it."""
        self._run("block_batch", batch_id, json.dumps(problem))

    @redis_errors()
    def cancel(self, batch_id: str) -> None:
        """Cancel a batch; one that has ended stays as it is."""
        self._run("cancel_batch", batch_id)

    @redis_errors()
    def delete(self, batch_id: str) -> None:
        """Delete a batch with its edits; the housekeeper deletes their images.

        Nobody sees it any more once this has begun, and the housekeeper ends what it does not.
        """
        self._run("delete_batch", batch_id)
        grace_ms = int(GRACE_SECONDS * 1000)
        while not self._run("erase_batch", batch_id, ERASED_AT_ONCE, grace_ms):
            pass

    @redis_errors()
    def expire(self) -> list[str]:
        """Stop batches at their deadline and delete those whose time has come; for housekeepers.

        Returns:
            The ids of those that have reached their deadline.
        """
        times = (GRACE_SECONDS, STOP_SECONDS)
        in_ms = [int(seconds * 1000) for seconds in times]
        ids: list[str] = self._run("expire_batches", MAX_EXPIRED, ERASED_AT_ONCE, *in_ms)
        return ids


def _record(fields: dict[str, str]) -> BatchRecord:
    counts = ("total", "completed", "failed", "canceled")
    return BatchRecord(
        new=NewBatch.model_validate_json(fields["new"]),
        status=BatchStatus(fields["status"]),
        created_at=_at(fields["created_ms"]),
        started_at=_time(fields.get("started_ms")),
        canceling_at=_time(fields.get("canceling_ms")),
        completed_at=_time(fields.get("completed_ms")),
        deadline_at=_at(fields["deadline_ms"]),
        expires_at=_time(fields.get("expires_ms")),
        counts=RequestCounts(**{name: int(fields.get(name, 0)) for name in counts}),
        next_line=int(fields["next"]),
        blocked=json.loads(fields["blocked"]) if "blocked" in fields else None,
    )


def _at(ms: str) -> datetime:
    return datetime.fromtimestamp(int(ms) / 1000, UTC)


def _time(ms: str | None) -> datetime | None:
    return _at(ms) if ms else None
