"""The webhooks section of the description: what a receiver is sent. Nothing here is called."""

from typing import Annotated

from fastapi import APIRouter, Header

from api.openapi.describe import operation_id, webhook
from core.webhooks.schema import WebhookBody

Id = Annotated[str, Header(alias="webhook-id", description="the same on every attempt")]
Timestamp = Annotated[
    int, Header(alias="webhook-timestamp", description="of the attempt, seconds since 1970")
]
Signature = Annotated[
    str,
    Header(
        alias="webhook-signature",
        description="`v1,…` of id, timestamp and body; several, with spaces between them, for a "
        "day after a rotation. Any one that fits is enough",
    ),
]

webhooks = APIRouter(generate_unique_id_function=operation_id)


@webhooks.post("edit.started", **webhook("edit.started"))
def edit_started(body: WebhookBody, id: Id, timestamp: Timestamp, signature: Signature) -> None:
    """A worker has begun."""


@webhooks.post("edit.progress", **webhook("edit.progress"))
def edit_progress(body: WebhookBody, id: Id, timestamp: Timestamp, signature: Signature) -> None:
    """A running edit has come further: at most twice a second, never tried again."""


@webhooks.post("edit.succeeded", **webhook("edit.succeeded"))
def edit_succeeded(body: WebhookBody, id: Id, timestamp: Timestamp, signature: Signature) -> None:
    """The edit has ended, and `outputs` has its pictures."""


@webhooks.post("edit.failed", **webhook("edit.failed"))
def edit_failed(body: WebhookBody, id: Id, timestamp: Timestamp, signature: Signature) -> None:
    """The edit has ended, and `error` says why without a picture."""


@webhooks.post("edit.canceled", **webhook("edit.canceled"))
def edit_canceled(body: WebhookBody, id: Id, timestamp: Timestamp, signature: Signature) -> None:
    """The edit was canceled."""
