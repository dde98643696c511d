"""A stored edit or batch as its public resource, the same in responses, events and webhooks."""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from core.images.signed_urls import LINK_SECONDS, LinkSigner
from core.schema import (
    Artifacts,
    Batch,
    BatchRecord,
    BatchStatus,
    BatchUrls,
    Edit,
    Metrics,
    Output,
    Record,
    Result,
    StoredImage,
    Urls,
)

MIN_ENDED = 3  # edits of a batch, before its end is estimated


def edit_resource(
    record: Record,
    *,
    signer: LinkSigner,
    base_url: str,
    queue_position: int | None = None,
    eta_seconds: float | None = None,
    key_id: str = "",
    now: datetime | None = None,
) -> Edit:
    """Return the resource described in docs/api.md, with freshly signed URLs.

    Args:
        record: the stored edit.
        signer: signs URLs of images and events.
        base_url: scheme, authority and prefix that the reader can reach, without a trailing slash.
        queue_position: number of edits ahead; None unless the edit is queued.
        eta_seconds: estimated seconds until the end; None if the edit has ended or none is known.
        key_id: of the API key that the answer is for, if there is one.
        now: from when URLs are valid; None: the present.
    """
    now = now or datetime.now(UTC)
    submission, result = record.submission, record.result or Result()
    seconds, at = _url_lifetime(record, now), now.timestamp()

    def signed_url(image: StoredImage) -> str:
        return base_url + signer.path(submission.id, image.name, seconds=seconds, now=at)

    artifacts = {kind: signed_url(image) for kind, image in result.artifacts.items()}
    return Edit(
        id=submission.id,
        created_at=submission.created_at,
        started_at=record.started_at,
        completed_at=record.completed_at,
        expires_at=record.expires_at,
        status=record.status,
        stage=record.stage,
        progress=record.progress,
        queue_position=queue_position,
        eta_seconds=eta_seconds,
        user=submission.user,
        priority=submission.priority,
        prompt=submission.prompt,
        model=submission.model,
        params=submission.params,
        metadata=submission.metadata,
        input=submission.input,
        outputs=[
            Output(**image.model_dump(exclude={"name"}), url=signed_url(image))
            for image in result.outputs
        ],
        artifacts=Artifacts(**artifacts) if artifacts else None,
        warnings=result.warnings,
        metrics=_metrics(record, result.metrics),
        error=_error(record, base_url),
        urls=_urls(
            f"{base_url}/v1/edits/{submission.id}",
            signer.ticket(submission.id, key_id=key_id, seconds=seconds, now=at),
        ),
    )


def batch_resource(record: BatchRecord, *, base_url: str, now: datetime | None = None) -> Batch:
    """Return the batch described in docs/api.md.

    Args:
        record: the stored batch.
        base_url: scheme, authority and prefix that the reader can reach, without a trailing slash.
        now: the time that `eta_seconds` begins at; None: the present.
    """
    new, counts = record.new, record.counts
    ended = counts.completed + counts.failed + counts.canceled
    times = ("created_at", "started_at", "canceling_at", "completed_at", "deadline_at")
    url = f"{base_url}/v1/batches/{new.id}"
    return Batch(
        id=new.id,
        status=record.status,
        **{name: getattr(record, name) for name in times},
        expires_at=record.expires_at,
        request_counts=counts,
        progress=ended / counts.total,
        eta_seconds=_batch_eta(record, ended, now or datetime.now(UTC)),
        blocked=record.blocked,
        webhook_url=new.webhook_url or None,
        metadata=new.metadata,
        urls=BatchUrls(self=url, cancel=f"{url}/cancel", results=f"{url}/results"),
    )


def _batch_eta(record: BatchRecord, ended: int, now: datetime) -> float | None:
    """Return the seconds until a batch's end, if its edits go on ending as fast as until now."""
    is_known = record.status is BatchStatus.IN_PROGRESS and ended >= MIN_ENDED
    if record.started_at is None or not is_known:
        return None
    seconds = max(0.0, (now - record.started_at).total_seconds())
    return round(seconds / ended * (record.counts.total - ended), 1)


def _urls(edit_url: str, ticket: str) -> Urls:
    return Urls(
        self=edit_url, cancel=f"{edit_url}/cancel", events=f"{edit_url}/events?ticket={ticket}"
    )


def _error(record: Record, base_url: str) -> dict[str, Any] | None:
    """Return why the edit failed; the page that explains it is below the public address."""
    if record.error is None or "type" not in record.error:
        return record.error
    return {**record.error, "type": f"{urlsplit(base_url).path}{record.error['type']}"}


def _url_lifetime(record: Record, now: datetime) -> int:
    """Return the seconds for which image URLs are valid: never longer than the images exist."""
    if record.expires_at is None:
        return LINK_SECONDS
    left = (record.expires_at - now).total_seconds()
    return max(0, min(LINK_SECONDS, int(left)))


def _metrics(record: Record, measured: Metrics) -> Metrics:
    """Add the times in the record to the worker's measurements."""
    queued = run = None
    if record.started_at:
        queued = (record.started_at - record.queued_at).total_seconds()
        if record.completed_at:
            run = (record.completed_at - record.started_at).total_seconds()
    return measured.model_copy(
        update={"queue_seconds": queued, "run_seconds": run, "attempts": record.attempt}
    )
