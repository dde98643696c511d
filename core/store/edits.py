"""Edits in Redis: the one place that knows its keys and the one that moves a status.

Every move is a Lua script in `scripts/`, so that record, queue, event and webhook change
together or not at all. Redis is one instance or a replicated one, not a cluster.

Keys: `baret:edit:<id>` the record · `baret:events:<id>` its stream · `baret:waiting:<model>` the
queue, oldest first · `baret:running` leases · `baret:edits:<caller>` the listing ·
`baret:in_flight:<caller>` ids that wait or run · `baret:runs:<model>` what recent runs took, ms
and work · `baret:expiring` when edits expire · `baret:expired:<id>` whose it was, for a while ·
`baret:erased` prefixes of pictures that must go · `baret:sharing:<inversions>` the edits of a
picture that share its inversions ·
`baret:models`, `baret:workers` who serves what · `baret:secret:<name>` signing secrets.
Webhooks' keys: `core/webhooks/queue.py`, `core/webhooks/secrets.py`.
"""

import json
import math
import secrets
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import fmean
from typing import Any

import redis
from pydantic import TypeAdapter

from core.errors import (
    EditExpired,
    EditNotFound,
    EditUnavailable,
    IdempotencyInProgress,
    QueueFull,
    StaleAttempt,
    StoreDamaged,
    TooManyInFlight,
)
from core.ids import is_edit_id
from core.images.storage import inversions_of
from core.schema import (
    EditStatus,
    Model,
    Record,
    Result,
    Stage,
    Submission,
)
from core.store import keys
from core.store.connection import UNREADABLE, Scripts, redis_errors
from core.store.estimates import QueueSnapshot, recent_runs
from core.store.idempotency import REPLAY_SECONDS, IdempotencyLock
from core.store.presence import redis_now, running, serving
from core.telemetry.logs import get_logger

LEASE_SECONDS = 12.0  # a worker that has not been heard of for this long is lost
MAX_ATTEMPTS = 3
EVENT_PAUSE_SECONDS = 0.25  # least time between two progress events of an edit
HOOK_PAUSE_SECONDS = 0.5  # least time between two progress webhooks of an edit
WORKER_SECONDS = 15.0  # a worker announces itself more often than this
# After its edit was deleted a worker writes nothing any more: above a lease and a picture's upload.
GRACE_SECONDS = 60.0
EXPECTED_SECONDS = 3600.0  # that a picture waits for its edit: above the longest request
ERASER_LEASE_SECONDS = 60.0  # above the deletion of an edit's pictures
EXPIRED_SECONDS = 24 * 3600  # that an edit is known to have expired; afterwards it never was

log = get_logger(__name__)

_MODEL = TypeAdapter(Model)


@dataclass(frozen=True)
class Claim:
    """An attempt at an edit. `token` is its fencing token: the number of the attempt."""

    id: str
    token: int


def _moment(ms: str | None) -> datetime | None:
    return datetime.fromtimestamp(int(ms) / 1000, UTC) if ms else None


class EditStore:
    """Every read and write of edits. Its methods block for milliseconds and are thread-safe.

    Raises:
        StoreUnavailable: from any method, when Redis does not answer.
    """

    def __init__(self, client: redis.Redis):
        # The library's types cannot say that decode_responses makes every answer text.
        self._redis: Any = client
        scripts = Scripts(client)
        self._run, self._write = scripts.run, scripts.write

    def close(self) -> None:
        """Give the connections back."""
        self._redis.close()

    @redis_errors()
    def ping(self) -> None:
        """Raise unless Redis answers."""
        self._redis.ping()

    @redis_errors()
    def check_writable(self) -> None:
        """Raise unless Redis answers and has room for an edit."""
        self._run("probe")

    # --- a caller's side

    @redis_errors()
    def reserve_upload(self, edit_id: str) -> None:
        """Note that a picture is stored for an edit which has not been accepted yet.

        Where it never is, because the process was killed in between, its picture goes by itself.
        """
        self._run("reserve_upload", edit_id, int(EXPECTED_SECONDS * 1000))

    @redis_errors()
    def submit(
        self,
        submission: Submission,
        *,
        limit: int,
        in_flight: int = 0,
        lock: IdempotencyLock | None = None,
    ) -> None:
        """Accept an edit: record and place in the queue in one move.

        Args:
            submission: what was asked.
            limit: most edits that may wait for a model.
            in_flight: most edits of a caller that may wait or run; 0: any number.
            hold: the idempotency key that the edit is noted under.

        Raises:
            QueueFull: `limit` edits wait for this model already.
            TooManyInFlight: `in_flight` edits of this caller wait or run already.
            IdempotencyInProgress: another request holds the key now.
        """
        params = submission.params
        answer = self._run(
            "submit",
            submission.id,
            submission.model,
            submission.caller,
            submission.model_dump_json(),
            params.webhook_url or "",
            ",".join(params.webhook_events),
            limit,
            in_flight,
            lock.name if lock else "",
            lock.token if lock else "",
            REPLAY_SECONDS * 1000,
            params.work,
            int(submission.keep_seconds * 1000),
            inversions_of(submission),
        )
        if answer == "full":
            raise QueueFull(
                f"{limit} edits are waiting already; try again later.",
                retry_after=self._seconds_to_a_place(submission.model),
            )
        if answer == "in_flight":
            raise TooManyInFlight(
                f"The key has its most edits in flight ({in_flight}); wait until one has ended.",
                retry_after=self._seconds_to_an_end(submission.caller),
            )
        if answer == "not_held":
            raise IdempotencyInProgress("Another request took this Idempotency-Key over.")

    def _seconds_to_a_place(self, model: str, places: int = 1) -> int | None:
        """About how long until so many edits have left the queue; None where nothing is known.

        By what the model's last edits took and how many run at once: as many as do now, and at
        least one a live worker.
        """
        runs = recent_runs(self._redis.lrange(keys.runs(model), 0, -1))
        workers = serving(self._redis).count(model)
        if not runs or not workers:
            return None
        seconds = fmean(run.seconds for run in runs)
        return max(1, math.ceil(seconds * places / max(workers, running(self._redis).count(model))))

    def _seconds_to_an_end(self, caller: str) -> int | None:
        """About how long until the caller's oldest edit has ended; None where nothing is known."""
        oldest = min(self._redis.smembers(keys.in_flight(caller)), default=None)
        model = self._redis.hget(keys.edit(oldest), "model") if oldest else None
        if model is None:
            return None
        before = self._redis.zrank(keys.waiting(model), oldest)
        return self._seconds_to_a_place(model, 1 if before is None else before + 2)

    @redis_errors()
    def get(self, edit_id: str, *, caller: str | None = None) -> Record:
        """The edit as it stands.

        Args:
            edit_id: `edit_…`.
            caller: whose it must be; None asks for anybody's (workers).

        Raises:
            EditNotFound: no such edit, or another caller's, or its record cannot be read.
            EditExpired: there was one.
        """
        if not is_edit_id(edit_id):
            raise EditNotFound("No edit has this id.")
        # All in one round trip: another caller's edit takes as long to be refused as none.
        with self._redis.pipeline(transaction=False) as together:
            together.hgetall(keys.edit(edit_id))
            together.get(keys.expired(edit_id))
            together.time()  # Redis's clock, which `expires_at` is by
            fields, expired, (now, _) = together.execute()
        owner = fields.get("caller") if fields else expired
        if owner is None or caller not in (None, owner):
            raise EditNotFound("No edit has this id.")
        try:
            record = _record(fields) if fields else None
        except UNREADABLE as error:
            log.error("a record cannot be read", edit=edit_id, reason=type(error).__name__)
            raise EditNotFound("The edit's record is damaged; send the edit again.") from error
        # Also before a housekeeper has come round to it.
        if record is None or (record.expires_at and record.expires_at.timestamp() <= now):
            raise EditExpired("The edit was kept as long as `expires_at` said, and is deleted.")
        return record

    @redis_errors()
    def queue_snapshot(self, record: Record) -> QueueSnapshot | None:
        """What an edit's queue position and time left follow from; None where it is gone."""
        found = self._run("queue_snapshot", record.submission.id)
        return QueueSnapshot.read(found) if found else None

    def newest_first(self, caller: str, *, before: str | None) -> Iterator[Record]:
        """The caller's edits, the newest first, those older than the id `before` where given."""
        while ids := self._ids_before(caller, before):
            for edit_id in ids:
                with suppress(EditUnavailable, StoreDamaged):
                    yield self.get(edit_id)
            before = ids[-1]

    @redis_errors()
    def _ids_before(self, caller: str, before: str | None) -> list[str]:
        # A hundred at a time: a listing shows few of what may be a long history.
        ids: list[str] = self._redis.zrange(
            keys.listing(caller),
            f"({before}" if before else "+",
            "-",
            desc=True,
            bylex=True,
            offset=0,
            num=100,
        )
        return ids

    @redis_errors()
    def cancel(self, edit_id: str, *, caller: str) -> EditStatus:
        """Cancel a queued edit at once and ask a running one to stop; a finished one stays.

        Returns:
            The status that it had.

        Raises:
            EditNotFound: no such edit, or another caller's.
        """
        self.get(edit_id, caller=caller)
        status = self._run("cancel", edit_id)
        if status is None:  # deleted between the two
            raise EditNotFound("No edit has this id.")
        return EditStatus(status)

    @redis_errors()
    def delete(self, edit_id: str, *, caller: str) -> None:
        """Forget an edit; one that has not ended is canceled first.

        Its pictures are the housekeeper's from now on; whoever deletes them sooner does no harm.

        Raises:
            EditUnavailable: one of its kinds; it is not there any more, or is another caller's.
        """
        self.get(edit_id, caller=caller)
        self._run("delete", edit_id, int(GRACE_SECONDS * 1000))

    # --- a worker's side

    @redis_errors()
    def claim(self, model: str) -> Claim | None:
        """Take the edit that has waited longest for this model, under a lease."""
        found = self._run("claim", model, int(LEASE_SECONDS * 1000))
        return Claim(found[0], int(found[1])) if found else None

    @redis_errors()
    def report(self, claim: Claim, stage: Stage, progress: float) -> bool:
        """Note how far the attempt has come and renew its lease.

        Returns:
            Whether the caller has asked to cancel.

        Raises:
            StaleAttempt: the lease has gone to another attempt.
        """
        return self._report(claim, stage.value, progress)

    @redis_errors()
    def preview(self, claim: Claim, data: dict[str, Any]) -> None:
        """Publish a small picture of how the attempt stands; nothing where it holds no longer."""
        self._run("preview", claim.id, claim.token, json.dumps(data))

    @redis_errors()
    def renew(self, claim: Claim) -> None:
        """Renew the lease alone.

        Raises:
            StaleAttempt: the lease has gone to another attempt.
        """
        self._report(claim, "", 0.0)

    def _report(self, claim: Claim, stage: str, progress: float) -> bool:
        times = (LEASE_SECONDS, EVENT_PAUSE_SECONDS, HOOK_PAUSE_SECONDS)
        in_ms = [int(seconds * 1000) for seconds in times]
        answer = self._run("report", claim.id, claim.token, stage, progress, *in_ms)
        if answer == "stale":
            raise StaleAttempt(f"Attempt {claim.token} no longer holds {claim.id}.")
        return bool(answer == "cancel")

    @redis_errors()
    def finish(
        self,
        claim: Claim,
        status: EditStatus,
        *,
        result: Result | None = None,
        error: dict[str, Any] | None = None,
    ) -> None:
        """Publish the attempt's end: record, event and webhook in one move.

        Raises:
            StaleAttempt: the lease has gone; nothing was published.
        """
        answer = self._run(
            "finish",
            claim.id,
            claim.token,
            status.value,
            result.model_dump_json() if result else "",
            json.dumps(error) if error else "",
        )
        if answer == "stale":
            raise StaleAttempt(f"Attempt {claim.token} no longer holds {claim.id}.")

    @redis_errors()
    def hand_back(self, claim: Claim) -> None:
        """Queue the attempt's edit again, uncounted, because its worker is leaving."""
        self._run("hand_back", claim.id, claim.token)

    # --- the housekeeper's side

    @redis_errors()
    def reclaim_expired_leases(self, problem: dict[str, Any]) -> list[tuple[str, str, EditStatus]]:
        """Take edits back from lost workers; after `MAX_ATTEMPTS` they fail with `problem`.

        Returns:
            (id, model, new status) of each edit that was taken back.
        """
        lease = int(LEASE_SECONDS * 1000)
        lapsed = self._run("reclaim_expired_leases", MAX_ATTEMPTS, json.dumps(problem), lease)
        return [(edit_id, model, EditStatus(to)) for edit_id, model, to in lapsed]

    @redis_errors()
    def waiting(self, model: str, *, longer_than: float, limit: int) -> list[str]:
        """The ids that have waited for a model longer than so many seconds, oldest first."""
        until = int((redis_now(self._redis) - longer_than) * 1000)
        ids: list[str] = self._redis.zrange(
            keys.waiting(model), "-inf", until, byscore=True, offset=0, num=limit
        )
        return ids

    @redis_errors()
    def unqueue(self, model: str, member: str) -> None:
        """Take out of a model's queue what is no edit."""
        self._redis.zrem(keys.waiting(model), member)

    @redis_errors()
    def messages(self, queue: str) -> int:
        """How many messages lie in a Celery queue."""
        try:
            return int(self._redis.llen(queue))
        except (
            redis.ResponseError
        ):  # no list: whoever sends next mends it (core/broker/transport.py)
            return 0

    @redis_errors()
    def expire(self, *, limit: int) -> list[str]:
        """Forget edits whose time has come, at most so many: their ids."""
        ids: list[str] = self._run("expire", limit, EXPIRED_SECONDS)
        return ids

    @redis_errors()
    def claim_deletion(self) -> str | None:
        """Take a prefix of the picture store, an edit's id or a picture's inversions, under which
        everything must be deleted; unconfirmed, it comes again in a minute.
        """
        prefix: str | None = self._run("claim_deletion", int(ERASER_LEASE_SECONDS * 1000))
        return prefix

    @redis_errors()
    def confirm_deletion(self, prefix: str) -> None:
        """Note that nothing is left under the prefix."""
        self._redis.zrem(keys.DELETIONS, prefix)

    # --- models and their workers

    @redis_errors()
    def announce(self, worker: str, model: Model) -> None:
        """Say that a worker with this model loaded is consuming; repeat within 15 s."""
        self._write("HSET", keys.MODELS, model.id, model.model_dump_json())
        until = redis_now(self._redis) + WORKER_SECONDS
        self._write("ZADD", keys.WORKERS, until, f"{worker} {model.id}")

    @redis_errors()
    def withdraw(self, worker: str, model: Model) -> None:
        """Say that the worker is leaving."""
        self._redis.zrem(keys.WORKERS, f"{worker} {model.id}")

    @redis_errors()
    def models(self) -> dict[str, Model]:
        """Every model that a worker has ever announced, by id."""
        return dict(_models(self._redis.hgetall(keys.MODELS)))

    @redis_errors()
    def live_models(self) -> dict[str, Model]:
        """The models that a living worker serves, by id."""
        served = set(serving(self._redis))
        return {name: model for name, model in self.models().items() if name in served}

    @redis_errors()
    def secret(self, name: str) -> bytes:
        """A random secret of 32 bytes that all processes share, made when first asked for."""
        key = keys.secret(name)
        if not self._redis.exists(key):
            self._write("SET", key, secrets.token_hex(32), "NX")
        return bytes.fromhex(self._redis.get(key))


def _models(found: dict[str, str]) -> Iterator[tuple[str, Model]]:
    """Those that can be read: living workers announce theirs anew within seconds."""
    for name, text in found.items():
        try:
            yield name, _MODEL.validate_json(text)
        except ValueError:
            log.error("a model's announcement cannot be read", model=name)


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
            "queued_at": _moment(fields["queued_ms"]),
            "started_at": _moment(fields.get("started_ms")),
            "completed_at": _moment(fields.get("completed_ms")),
            "expires_at": _moment(fields.get("expires_ms")),
            "result": parsed("result"),
            "error": parsed("error"),
            "version": fields["version"],
        }
    )
