"""The secret that signs a caller's webhooks: get it, rotate it."""

from typing import Any

from fastapi import APIRouter, Response

from api.auth import KeyHolderDep
from api.openapi.describe import example, header, problems
from api.services import ServicesDep
from core.webhooks.schema import WebhookSecret

router = APIRouter(prefix="/v1/webhooks", tags=["webhooks"])

EXAMPLE: dict[str, Any] = {
    "object": "webhook_secret",
    "secret": "whsec_…",
    "previous_expires_at": None,
}
_ROTATED = {**EXAMPLE, "previous_expires_at": "2026-01-06T09:30:00Z"}

_HEADERS = {"Cache-Control": "no-store"}
_DESCRIBED_HEADERS = {"Cache-Control": header("no cache may store it", "no-store")}


@router.get(
    "/secret",
    response_model=WebhookSecret,
    responses={
        200: {**example(EXAMPLE, "The secret"), "headers": _DESCRIBED_HEADERS},
        **problems("unavailable"),
    },
)
def get_webhook_secret(
    response: Response, services: ServicesDep, caller: KeyHolderDep
) -> WebhookSecret:
    """Get your webhook secret. The first call creates it.

    All your webhooks are signed with it, after Standard Webhooks 1.0.0. Both clients verify them:
    `verify_webhook`, `verifyWebhook`.
    """
    response.headers.update(_HEADERS)
    return services.webhook_secrets.current(caller.name)


@router.post(
    "/secret/rotate",
    response_model=WebhookSecret,
    responses={
        200: {**example(_ROTATED, "The new secret"), "headers": _DESCRIBED_HEADERS},
        **problems("unavailable"),
    },
)
def rotate_webhook_secret(
    response: Response, services: ServicesDep, caller: KeyHolderDep
) -> WebhookSecret:
    """Rotate your webhook secret. For 24 hours the previous one signs webhooks as well."""
    response.headers.update(_HEADERS)
    return services.webhook_secrets.rotate(caller.name)
