"""Webhooks in the contract: body, log of deliveries, secret (docs/api.md)."""

from datetime import datetime
from enum import StrEnum
from typing import Literal

from pydantic import Field

from core.schema import Batch, BatchEvent, Edit, Strict, WebhookEvent


class WebhookBody(Strict):
    """The body of a webhook."""

    type: WebhookEvent
    timestamp: datetime = Field(description="of the event, not of the attempt")
    data: Edit = Field(description="the edit as it is when the attempt is made")
    omitted: list[str] | None = Field(
        None, description="fields of `data` left empty to keep the body under 20 kB; usually absent"
    )


class BatchWebhookBody(Strict):
    """The body of a batch's webhook."""

    type: BatchEvent
    timestamp: datetime = Field(description="of the event, not of the attempt")
    data: Batch = Field(description="the batch as it is when the attempt is made")
    omitted: list[str] | None = Field(
        None, description="fields of `data` left empty to keep the body under 20 kB; usually absent"
    )


class DeliveryStatus(StrEnum):
    """The status of a delivery."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


class DeliveryError(StrEnum):
    """Why an attempt got no response."""

    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    INVALID_ANSWER = "invalid_answer"  # it answered, but not in HTTP
    URL_NOT_ALLOWED = "url_not_allowed"
    EDIT_GONE = "edit_gone"


class DeliveryAttempt(Strict):
    """One attempt at a webhook."""

    at: datetime
    seconds: float = Field(description="until the response, or until it was given up")
    status: int | None = Field(None, description="the receiver's HTTP status")
    error: DeliveryError | None = Field(None, description="why there was no response")


class WebhookDelivery(Strict):
    """An event, and the attempts to deliver it."""

    id: str = Field(description="the `webhook-id`, the same on every attempt")
    object: Literal["delivery"] = "delivery"
    type: WebhookEvent
    url: str
    created_at: datetime
    status: DeliveryStatus
    next_attempt_at: datetime | None = Field(None, description="while pending")
    attempts: list[DeliveryAttempt] = Field(description="oldest first, the last 20")


class WebhookSecret(Strict):
    """The secret that signs a caller's webhooks."""

    object: Literal["webhook_secret"] = "webhook_secret"
    secret: str = Field(description="`whsec_…`, as libraries for Standard Webhooks take it")
    previous_expires_at: datetime | None = Field(
        None, description="until when the previous secret signs too"
    )
