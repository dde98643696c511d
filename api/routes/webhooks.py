"""The secret that a caller's webhooks are signed with."""

from fastapi import APIRouter, Response

from api.auth import CallerNameDep
from api.openapi.describe import GET_SECRET, ROTATE_SECRET
from api.services import ServicesDep
from core.webhooks.schema import WebhookSecret

router = APIRouter(prefix="/v1/webhooks", tags=["webhooks"])

_HEADERS = {"Cache-Control": "no-store"}


@router.get("/secret", response_model=WebhookSecret, **GET_SECRET)
def get_webhook_secret(
    response: Response, services: ServicesDep, caller: CallerNameDep
) -> WebhookSecret:
    """Your secret; it is made when first asked for."""
    response.headers.update(_HEADERS)
    return services.hook_secrets.current(caller)


@router.post("/secret/rotate", response_model=WebhookSecret, **ROTATE_SECRET)
def rotate_webhook_secret(
    response: Response, services: ServicesDep, caller: CallerNameDep
) -> WebhookSecret:
    """A new secret. The one before it signs beside it for 24 hours."""
    response.headers.update(_HEADERS)
    return services.hook_secrets.rotate(caller)
