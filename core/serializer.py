"""A stored edit as its public resource, the same in answers, events and webhooks."""

from datetime import UTC, datetime

from core.images.signed_urls import LINK_SECONDS, LinkSigner
from core.schema import Artifacts, Edit, Metrics, Output, Record, Result, StoredImage, Urls


def edit_resource(
    record: Record,
    *,
    signer: LinkSigner,
    base_url: str,
    queue_position: int | None = None,
    eta_seconds: float | None = None,
) -> Edit:
    """The resource of docs/api.md, its picture addresses freshly signed.

    Args:
        record: the edit as the store holds it.
        signer: signs picture addresses.
        base_url: scheme and authority that the reader can reach, without a slash at the end.
        queue_position: edits before this one; None unless it is queued.
        eta_seconds: until its end; None where it has ended or nothing is known.
    """
    submission = record.submission
    result = record.result or Result()
    home = f"{base_url}/v1/edits/{submission.id}"
    seconds = _link_seconds(record)

    def address(image: StoredImage) -> str:
        return base_url + signer.path(submission.id, image.name, seconds=seconds)

    artifacts = {kind: address(image) for kind, image in result.artifacts.items()}
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
        prompt=submission.prompt,
        model=submission.model,
        params=submission.params,
        metadata=submission.metadata,
        input=submission.input,
        outputs=[
            Output(**image.model_dump(exclude={"name"}), url=address(image))
            for image in result.outputs
        ],
        artifacts=Artifacts(**artifacts) if artifacts else None,
        warnings=result.warnings,
        metrics=_metrics(record, result.metrics),
        error=record.error,
        urls=Urls(self=home, cancel=f"{home}/cancel", events=f"{home}/events"),
    )


def _link_seconds(record: Record) -> int:
    """How long picture addresses hold: no longer than the pictures."""
    if record.expires_at is None:
        return LINK_SECONDS
    left = (record.expires_at - datetime.now(UTC)).total_seconds()
    return max(0, min(LINK_SECONDS, int(left)))


def _metrics(record: Record, measured: Metrics) -> Metrics:
    """What the worker measured, with what the record's own times say."""
    queued = run = None
    if record.started_at:
        queued = (record.started_at - record.queued_at).total_seconds()
        if record.completed_at:
            run = (record.completed_at - record.started_at).total_seconds()
    return measured.model_copy(
        update={"queue_seconds": queued, "run_seconds": run, "attempts": record.attempt}
    )
