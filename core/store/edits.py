"""Edits in Redis, as callers use them; with the parts for workers and the housekeeper, `EditStore`.

Every move of a status is a Lua script in `lua/`, so that record, queue, event and webhook change
together or not at all. Redis is one instance or a replicated one, not a cluster. The keys and what
they hold: `core/store/keys.py`.
"""

import hashlib
import json
import math
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import fmean
from typing import Any

from core.errors import (
    BatchLineClosed,
    CoreError,
    EditExpired,
    EditNotFound,
    IdempotencyInProgress,
    QueueFull,
    QuotaExceeded,
    SourceNotFound,
    TokenSpent,
    TooManyInFlight,
    UploadNotFound,
)
from core.ids import is_edit_id
from core.images.keys import (
    image_inversions_prefix,
    new_photo_prefix,
    photo_prefix,
    upload_prefix,
)
from core.schema import BatchPlace, EditStatus, Record, Submission, is_seen_by, owner_of
from core.store import keys
from core.store.claims import ClaimStore
from core.store.connection import UNREADABLE, redis_errors
from core.store.estimates import QueueSnapshot, recent_runs
from core.store.housekeeping import HousekeepingStore
from core.store.idempotency import REPLAY_SECONDS, IdempotencyLock
from core.store.model_registry import ModelRegistry
from core.store.stats import running_models, served_models
from core.telemetry.logs import get_logger

UPLOAD_SECONDS = 3600.0  # that an image waits for its edit: longer than any request takes
# After an edit's deletion no worker writes for it any more: longer than a lease and an upload take.
GRACE_SECONDS = 60.0
# A filter that matches nothing must not look at a caller's whole history in one request.
MAX_SCANNED = 1000
LABEL_BYTES = 8  # two pairs of one caller with the same label only cost a reader a look

log = get_logger(__name__)

# Why the script `submit` accepts no edit, where that needs no number.
_REFUSALS: Mapping[str, tuple[type[CoreError], str]] = {
    "closed": (BatchLineClosed, "The batch takes no edit of this line."),
    "spent": (TokenSpent, "This token has made all the edits that it may make. Get a new one."),
    "not_held": (IdempotencyInProgress, "Another request took over this Idempotency-Key."),
    "no_source": (SourceNotFound, "The source's image has been deleted."),
    "no_upload": (UploadNotFound, "The upload has expired, or another edit has used it."),
}


@dataclass(frozen=True)
class EditPage:
    """A page of a caller's edits."""

    records: list[Record]
    continue_after: str | None  # the id of the last one looked at; None if no more follow


class EditStore(ClaimStore, HousekeepingStore, ModelRegistry):
    """Every read and write of edits. Its methods block for milliseconds and are thread-safe.

    Raises:
        StoreUnavailable: from any method, when Redis does not answer.
    """

    def close(self) -> None:
        """Close the connections."""
        self._redis.close()

    @redis_errors()
    def ping(self) -> None:
        """Raise an error unless Redis answers."""
        self._redis.ping()

    @redis_errors()
    def check_writable(self) -> None:
        """Raise an error unless Redis answers and has room for an edit."""
        self._run("probe")

    @redis_errors()
    def secret(self, name: str) -> bytes:
        """Return a random secret of 32 bytes that all processes share; make it if needed."""
        key = keys.secret(name)
        if not self._redis.exists(key):
            self._write("SET", key, secrets.token_hex(32), "NX")
        return bytes.fromhex(self._redis.get(key))

    @redis_errors()
    def reserve_upload(self, prefix: str, *, caller: str, size: int, limit: int = 0) -> None:
        """Note that a photo is stored for an edit which has not been accepted yet.

        If it never is, because the process was killed, the housekeeper deletes the photo.

        Args:
            prefix: under which it will be stored.
            caller: who holds its bytes until it is deleted.
            size: its bytes.
            limit: how many bytes the caller's images may take; 0: any number.

        Raises:
            QuotaExceeded: they would take more.
        """
        ms = int(UPLOAD_SECONDS * 1000)
        if self._run("reserve_upload", prefix, ms, caller, size, limit) == "over_quota":
            raise over_quota("images in the image storage", limit)

    @redis_errors()
    def discard_upload(self, prefix: str) -> None:
        """Let the housekeeper delete a reserved photo as soon as it can."""
        self._write("ZADD", keys.DELETIONS, 0, prefix)

    @redis_errors()
    def submit(
        self,
        submission: Submission,
        *,
        limit: int,
        in_flight: int = 0,
        record_bytes: int = 0,
        lock: IdempotencyLock | BatchPlace | None = None,
        user_token: str | None = None,
        upload: str | None = None,
    ) -> None:
        """Accept an edit: record and place in the queue in one move.

        Args:
            submission: the request.
            limit: how many edits may wait for a model; one more of each caller that has none in
                flight, unless it is 0. For an interactive edit, batch edits do not count.
            in_flight: how many edits of a caller may wait or run; 0: any number.
            record_bytes: how many bytes the records of a caller may take; 0: any number.
            lock: what makes only one edit, this one: its idempotency key, or its line of a batch.
            user_token: the id of the token that makes it; its edits are counted.
            upload: the id of the upload that the photo was sent to; no other edit can use it.

        Raises:
            TokenSpent: the token has made all its edits.
            QueueFull: `limit` edits wait for this model already.
            TooManyInFlight: `in_flight` edits of this caller wait or run already.
            IdempotencyInProgress: another request holds the key now.
            SourceNotFound: the photo is an earlier edit's, and was deleted with it.
            QuotaExceeded: the caller's records would take more than `record_bytes`.
            UploadNotFound: the upload has expired, or another edit has used it.
            BatchLineClosed: the line has its edit, or the batch ends.
        """
        params, photo = submission.params, photo_prefix(submission)
        key = lock if isinstance(lock, IdempotencyLock) else None
        line = lock if isinstance(lock, BatchPlace) else None
        outcome = self._run(
            "submit",
            submission.id,
            submission.model,
            submission.caller,
            submission.model_dump_json(),
            params.webhook_url or "",
            ",".join(params.webhook_events),
            *(limit, in_flight),
            *((key.name, key.token) if key else ("", "")),
            REPLAY_SECONDS * 1000,
            *(params.work, params.editing_work),
            int(submission.keep_seconds * 1000),
            image_inversions_prefix(submission),
            photo,
            "" if photo == new_photo_prefix(submission.id) else "1",
            record_bytes,
            submission.user or "",
            user_token or "",
            " ".join(labels_of(submission.metadata)),
            submission.priority.value,
            upload or "",
            upload_prefix(upload) if upload else "",
            int(GRACE_SECONDS * 1000),
            *((line.batch_id, line.line) if line else ("", "")),
        )
        if outcome != "ok":
            raise self._refusal(outcome, submission, limit, in_flight, record_bytes)

    def _refusal(
        self, outcome: str, submission: Submission, limit: int, in_flight: int, record_bytes: int
    ) -> CoreError:
        """Return why the script `submit` did not accept an edit; the numbers are its bounds."""
        if outcome == "full":
            return QueueFull(
                f"{limit} edits are waiting already; try again later.",
                retry_after=self._seconds_to_a_place(submission.model),
            )
        if outcome == "in_flight":
            return TooManyInFlight(
                f"This key already has {in_flight} edits in flight, its maximum; "
                "wait until one has ended.",
                retry_after=self._seconds_to_an_end(submission.caller),
            )
        if outcome == "over_quota":
            return over_quota("records", record_bytes)
        kind, text = _REFUSALS[outcome]
        return kind(text)

    def _seconds_to_a_place(self, model: str, places: int = 1) -> int | None:
        """Estimate the seconds until this many edits have left the queue; None if unknown.

        By what the model's last edits took and how many run at once: as many as do now, and at
        least one per live worker.
        """
        runs = recent_runs(self._redis.lrange(keys.runs(model), 0, -1))
        workers = served_models(self._redis).count(model)
        if not runs or not workers:
            return None
        seconds = fmean(run.seconds for run in runs)
        at_once = max(workers, running_models(self._redis).count(model))
        return max(1, math.ceil(seconds * places / at_once))

    def _seconds_to_an_end(self, caller: str) -> int | None:
        """Estimate the seconds until the caller's oldest edit has ended; None if unknown."""
        oldest = min(self._redis.smembers(keys.in_flight(caller)), default=None)
        model = self._redis.hget(keys.edit(oldest), "model") if oldest else None
        if oldest is None or model is None:
            return None
        values = self._run("queue_snapshot", oldest)
        before = QueueSnapshot.read(values).position if values else None
        return self._seconds_to_a_place(model, 1 if before is None else before + 2)

    @redis_errors()
    def get(self, edit_id: str, *, caller: str | None = None) -> Record:
        """Return an edit's current record.

        Args:
            edit_id: `edit_…`.
            caller: whose it must be: a caller, or the `owner_of` a caller's user; None: anybody's
                (workers).

        Raises:
            EditNotFound: no such edit, or another owner's, or its record cannot be read.
            EditExpired: it existed.
        """
        if not is_edit_id(edit_id):
            raise EditNotFound("No edit has this id, or it belongs to another key.")
        # All in one round trip: another caller's edit takes as long to be refused as none.
        with self._redis.pipeline(transaction=False) as pipeline:
            pipeline.hgetall(keys.edit(edit_id))
            pipeline.get(keys.expired(edit_id))
            pipeline.time()  # Redis's clock, which `expires_at` goes by
            fields, expired, (now, _) = pipeline.execute()
        owner = _owner(fields) if fields else expired
        if owner is None or not (caller is None or is_seen_by(caller, owner)):
            raise EditNotFound("No edit has this id, or it belongs to another key.")
        try:
            record = _record(fields) if fields else None
        except UNREADABLE as error:
            log.error("a record cannot be read", edit=edit_id, reason=type(error).__name__)
            raise EditNotFound("The edit's record is damaged; send the edit again.") from error
        # Also before a housekeeper has expired it.
        if record is None or (record.expires_at and record.expires_at.timestamp() <= now):
            raise EditExpired("The edit has expired: it was deleted at its `expires_at`.")
        return record

    @redis_errors()
    def get_several(self, edit_ids: Sequence[str], *, caller: str) -> dict[str, Record]:
        """Return the records of a caller's edits by id, without those that are gone or damaged."""
        with self._redis.pipeline(transaction=False) as pipeline:
            for edit_id in edit_ids:
                pipeline.hgetall(keys.edit(edit_id))
            found = pipeline.execute()
        return {
            edit_id: record
            for edit_id, fields in zip(edit_ids, found, strict=True)
            if fields.get("caller") == caller
            if (record := _readable_record(edit_id, fields)) is not None
        }

    @redis_errors()
    def queue_snapshot(self, record: Record) -> QueueSnapshot | None:
        """Return what an edit's queue position and time left follow from; None if it is gone."""
        values = self._run("queue_snapshot", record.submission.id)
        return QueueSnapshot.read(values) if values else None

    @redis_errors()
    def queue_snapshots(self, records: Sequence[Record]) -> dict[str, QueueSnapshot]:
        """Return the snapshots of several edits by id, in one round trip; none of those gone."""
        ids = [record.submission.id for record in records]
        with self._redis.pipeline(transaction=False) as pipeline:
            for edit_id in ids:
                self._queue(pipeline, "queue_snapshot", edit_id)
            found = pipeline.execute()
        return {
            edit_id: QueueSnapshot.read(values)
            for edit_id, values in zip(ids, found, strict=True)
            if values
        }

    @redis_errors()
    def owner(self, edit_id: str) -> str | None:
        """Return the caller whose edit it is; None if it does not exist."""
        owner: str | None = self._redis.hget(keys.edit(edit_id), "caller")
        return owner

    @redis_errors()
    def page(
        self,
        caller: str,
        *,
        before: str | None = None,
        limit: int,
        max_scanned: int = MAX_SCANNED,
        status: EditStatus | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> EditPage:
        """Return a page of the caller's edits, the newest first, in one round trip.

        Args:
            caller: whose edits.
            before: id; only older ones are on the page.
            limit: how many are on the page at most.
            max_scanned: how many are looked at at most.
            status: None for any.
            metadata: pairs that an edit must have.
        """
        pairs = dict(metadata or {})
        last, has_more, *found = self._run(
            "list_edits",
            caller,
            before or "",
            limit,
            max_scanned,
            status or "",
            *labels_of(pairs),
        )
        records = [
            record
            for edit_id, fields in found
            if (record := _readable_record(edit_id, _pairs(fields))) is not None
            if pairs.items() <= record.submission.metadata.items()
        ]
        return EditPage(records, last if has_more else None)

    @redis_errors()
    def cancel(self, edit_id: str, *, caller: str) -> EditStatus:
        """Cancel a queued edit at once, ask a running one to stop; leave an ended one as it is.

        Returns:
            The status that it had.

        Raises:
            EditNotFound: no such edit, or another caller's.
        """
        self.get(edit_id, caller=caller)
        status = self._run("cancel", edit_id)
        if status is None:  # deleted between the two
            raise EditNotFound("No edit has this id, or it belongs to another key.")
        return EditStatus(status)

    @redis_errors()
    def delete(self, edit_id: str, *, caller: str) -> list[str]:
        """Delete an edit's record; one that has not ended is canceled first.

        Returns:
            Prefixes of the image storage under which the housekeeper will delete everything.
            Deleting it sooner does no harm.

        Raises:
            EditUnavailable: it does not exist any more, or is another caller's.
        """
        self.get(edit_id, caller=caller)
        prefixes: list[str] = self._run("delete", edit_id, int(GRACE_SECONDS * 1000)) or []
        return prefixes


def over_quota(what: str, limit: int) -> QuotaExceeded:
    """Return the error of a caller whose edits would take more than `limit` bytes."""
    return QuotaExceeded(
        f"Your edits would take more than {limit / 1e6:.0f} MB of {what}, the maximum. "
        "Delete edits that you no longer need, or wait until some expire."
    )


def _owner(fields: dict[str, str]) -> str | None:
    return owner_of(fields["caller"], fields.get("user")) if "caller" in fields else None


def labels_of(metadata: Mapping[str, str]) -> list[str]:
    """Return a short digest of each pair: what lists are filtered by, without reading records."""
    return [
        hashlib.blake2b(json.dumps(pair).encode(), digest_size=LABEL_BYTES).hexdigest()
        for pair in metadata.items()
    ]


def _pairs(fields: list[str]) -> dict[str, str]:
    """Return a hash as a script returns it, a field and its value in turn, as a dictionary."""
    return dict(zip(fields[::2], fields[1::2], strict=True))


def _readable_record(edit_id: str, fields: dict[str, str]) -> Record | None:
    """Return the record of a hash, or None if it cannot be read."""
    try:
        return _record(fields)
    except UNREADABLE as error:
        log.error("a record cannot be read", edit=edit_id, reason=type(error).__name__)
        return None


def _record(fields: dict[str, str]) -> Record:
    def parsed(name: str) -> Any:
        return json.loads(fields[name]) if fields.get(name) else None

    return Record.model_validate(
        {
            "submission": parsed("submission"),
            "status": fields["status"],
            "stage": fields.get("stage") or None,
            "progress": fields.get("progress", 0),
            "attempt": fields["attempt"],
            "queued_at": _time(fields["queued_ms"]),
            "started_at": _time(fields.get("started_ms")),
            "completed_at": _time(fields.get("completed_ms")),
            "expires_at": _time(fields.get("expires_ms")),
            "result": parsed("result"),
            "error": parsed("error"),
            "version": fields["version"],
        }
    )


def _time(ms: str | None) -> datetime | None:
    return datetime.fromtimestamp(int(ms) / 1000, UTC) if ms else None
