"""A stored edit as its public resource, the same in answers, events and webhooks."""

from jobs.links import LinkSigner
from jobs.schema import Artifacts, Edit, Metrics, Output, Record, Result, Urls


def present(
    record: Record, *, signer: LinkSigner, base_url: str, queue_position: int | None = None
) -> Edit:
    """The resource of docs/api.md, its picture addresses freshly signed.

    Args:
        record: the edit as the store holds it.
        signer: signs picture addresses.
        base_url: scheme and authority that the reader can reach, without a slash at the end.
        queue_position: edits before this one; None unless it is queued.
    """
    submission = record.submission
    result = record.result or Result()
    home = f"{base_url}/v1/edits/{submission.id}"
    artifacts = {
        kind: base_url + signer.path(submission.id, picture.name)
        for kind, picture in result.artifacts.items()
    }
    return Edit(
        id=submission.id,
        created_at=submission.created_at,
        started_at=record.started_at,
        completed_at=record.completed_at,
        status=record.status,
        stage=record.stage,
        progress=record.progress,
        queue_position=queue_position,
        prompt=submission.prompt,
        model=submission.model,
        params=submission.params,
        metadata=submission.metadata,
        input=submission.input,
        outputs=[
            Output(
                **picture.model_dump(exclude={"name"}),
                url=base_url + signer.path(submission.id, picture.name),
            )
            for picture in result.outputs
        ],
        artifacts=Artifacts(**artifacts) if artifacts else None,
        warnings=result.warnings,
        metrics=_metrics(record, result.metrics),
        error=record.error,
        urls=Urls(self=home, cancel=f"{home}/cancel", events=f"{home}/events"),
    )


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
