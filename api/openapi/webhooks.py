"""The webhooks in the OpenAPI document: what a receiver gets. Nothing here is called."""

from typing import Annotated, Any

from fastapi import APIRouter, Header

from api.openapi.describe import operation_id
from api.openapi.examples import BATCH, EDIT, QUEUED
from core.webhooks.schema import BatchWebhookBody, WebhookBody

_RUNNING: dict[str, Any] = {
    **QUEUED,
    "status": "running",
    "stage": "loading",
    "started_at": "2026-01-05T09:30:00.480Z",
    "queue_position": None,
}
_ENDED: dict[str, Any] = {**_RUNNING, "stage": None, "completed_at": "2026-01-05T09:30:21.730Z"}
_ERROR = {
    "type": "/docs/problems/out_of_memory",
    "title": "Out of memory",
    "status": 503,
    "detail": "The worker's device has too little memory for this edit. Request fewer outputs, or "
    "try again later.",
    "code": "out_of_memory",
}
_EDITS: dict[str, dict[str, Any]] = {
    "edit.started": _RUNNING,
    "edit.progress": {**_RUNNING, "stage": "editing", "progress": 0.8},
    "edit.succeeded": EDIT,
    "edit.failed": {**_ENDED, "status": "failed", "error": _ERROR},
    "edit.canceled": {**_ENDED, "status": "canceled"},
}
EXAMPLES: dict[str, dict[str, Any]] = {
    event: {"type": event, "timestamp": "2026-01-05T09:30:21.730Z", "data": edit}
    for event, edit in _EDITS.items()
}
_BATCH_END = {
    "progress": 1.0,
    "completed_at": "2026-01-05T09:30:21.730Z",
    "expires_at": "2026-01-09T09:30:21.730Z",
    "eta_seconds": None,
}
for _status in ("completed", "canceled", "expired"):
    EXAMPLES[f"batch.{_status}"] = {
        "type": f"batch.{_status}",
        "timestamp": "2026-01-05T09:30:21.730Z",
        "data": {**BATCH, **_BATCH_END, "status": _status},
    }

Id = Annotated[str, Header(alias="webhook-id", description="the same in every attempt")]
Timestamp = Annotated[
    int, Header(alias="webhook-timestamp", description="of the attempt, seconds since 1970")
]
Signature = Annotated[
    str,
    Header(
        alias="webhook-signature",
        description="`v1,…` of id, timestamp and body. For a day after a rotation there are "
        "several, separated by spaces; one that matches is enough",
    ),
]

webhooks = APIRouter(generate_unique_id_function=operation_id)


def _webhook(event: str) -> dict[str, Any]:
    return {
        "tags": ["webhooks"],
        "status_code": 204,
        "responses": {
            204: {"description": "Received. Any 2xx will do; its body is not read"},
            410: {"description": "Stop: no more webhooks are sent for this edit or batch"},
            "default": {
                "description": "Anything else, including redirects and no answer within 15 s: the "
                "webhook is sent again later, not before `Retry-After`; progress is not"
            },
        },
        "openapi_extra": {
            "requestBody": {"content": {"application/json": {"example": EXAMPLES[event]}}}
        },
    }


@webhooks.post("edit.started", **_webhook("edit.started"))
def edit_started(body: WebhookBody, id: Id, timestamp: Timestamp, signature: Signature) -> None:
    """A worker has started the edit."""


@webhooks.post("edit.progress", **_webhook("edit.progress"))
def edit_progress(body: WebhookBody, id: Id, timestamp: Timestamp, signature: Signature) -> None:
    """A running edit has advanced. Sent at most twice a second, and never again on failure."""


@webhooks.post("edit.succeeded", **_webhook("edit.succeeded"))
def edit_succeeded(body: WebhookBody, id: Id, timestamp: Timestamp, signature: Signature) -> None:
    """The edit has succeeded; `outputs` has its images."""


@webhooks.post("edit.failed", **_webhook("edit.failed"))
def edit_failed(body: WebhookBody, id: Id, timestamp: Timestamp, signature: Signature) -> None:
    """The edit has failed; `error` says why."""


@webhooks.post("edit.canceled", **_webhook("edit.canceled"))
def edit_canceled(body: WebhookBody, id: Id, timestamp: Timestamp, signature: Signature) -> None:
    """The edit was canceled."""


@webhooks.post("batch.completed", **_webhook("batch.completed"))
def batch_completed(
    body: BatchWebhookBody, id: Id, timestamp: Timestamp, signature: Signature
) -> None:
    """Every edit of the batch has ended; its results say how."""


@webhooks.post("batch.canceled", **_webhook("batch.canceled"))
def batch_canceled(
    body: BatchWebhookBody, id: Id, timestamp: Timestamp, signature: Signature
) -> None:
    """The batch was canceled, and its last edit has stopped."""


@webhooks.post("batch.expired", **_webhook("batch.expired"))
def batch_expired(
    body: BatchWebhookBody, id: Id, timestamp: Timestamp, signature: Signature
) -> None:
    """The batch has reached its deadline, and its last edit has stopped."""
