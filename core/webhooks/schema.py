"""What is said of webhooks: their body, their log, their secret (docs/api.md)."""

from datetime import datetime
from enum import StrEnum
from typing import Literal

from pydantic import Field

from core.schema import Edit, Strict, WebhookEvent


class WebhookBody(Strict):
    """What a webhook's receiver is sent."""

    type: WebhookEvent
    timestamp: datetime = Field(description="of the event, not of the attempt")
    data: Edit = Field(description="the edit as it is when the attempt is made")
    omitted: list[str] | None = Field(
        None, description="fields of `data` left empty to keep the body under 20 kB; mostly absent"
    )


class DeliveryStatus(StrEnum):
    """Where a delivery stands."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


class DeliveryError(StrEnum):
    """Why an attempt got no answer."""

    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    URL_NOT_ALLOWED = "url_not_allowed"
    EDIT_GONE = "edit_gone"


class DeliveryAttempt(Strict):
    """One attempt at a webhook."""

    at: datetime
    seconds: float = Field(description="until the answer, or until it was given up")
    status: int | None = Field(None, description="what the receiver answered (HTTP)")
    error: DeliveryError | None = Field(None, description="why there was no answer")


class WebhookDelivery(Strict):
    """An event and what came of telling it."""

    id: str = Field(description="the `webhook-id`, the same on every attempt")
    object: Literal["delivery"] = "delivery"
    type: WebhookEvent
    url: str
    created_at: datetime
    status: DeliveryStatus
    next_attempt_at: datetime | None = Field(None, description="while pending")
    attempts: list[DeliveryAttempt] = Field(description="oldest first, the last 20")


class WebhookSecret(Strict):
    """What a caller's webhooks are signed with."""

    object: Literal["webhook_secret"] = "webhook_secret"
    secret: str = Field(description="`whsec_…`, as libraries for Standard Webhooks take it")
    previous_expires_at: datetime | None = Field(
        None, description="until when the secret before this one signs too"
    )
