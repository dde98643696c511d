"""The deliveries of an edit's webhooks: list them, send one again."""

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel

from api.auth import KeyHolderDep
from api.openapi.describe import ONE_EDIT, example, problems
from api.openapi.examples import EDIT
from api.services import ServicesDep
from core.webhooks.schema import WebhookDelivery

router = APIRouter(prefix="/v1/edits/{edit_id}/deliveries", tags=["webhooks"])

EXAMPLE: dict[str, Any] = {
    "id": f"msg_{EDIT['id'].removeprefix('edit_')}_succeeded",
    "object": "delivery",
    "type": "edit.succeeded",
    "url": "https://hooks.example/baret",
    "created_at": "2026-01-05T09:30:21.730Z",
    "status": "delivered",
    "next_attempt_at": None,
    "attempts": [
        {"at": "2026-01-05T09:30:21.9Z", "seconds": 15.0, "status": None, "error": "timeout"},
        {"at": "2026-01-05T09:30:41.8Z", "seconds": 0.12, "status": 204, "error": None},
    ],
}
_DUE = {"status": "pending", "next_attempt_at": "2026-01-05T09:40:00Z"}


class DeliveryList(BaseModel):
    """The deliveries of an edit, oldest first."""

    data: list[WebhookDelivery]


@router.get(
    "",
    response_model=DeliveryList,
    responses={200: example({"data": [EXAMPLE]}, "The deliveries"), **problems(*ONE_EDIT)},
)
def list_deliveries(edit_id: str, services: ServicesDep, caller: KeyHolderDep) -> DeliveryList:
    """List what was sent to the edit's webhook, when, with what answer, and what is still due."""
    services.store.get(edit_id, caller=caller.name)
    return DeliveryList(data=services.deliveries.of(edit_id))


@router.post(
    "/{delivery_id}/replay",
    status_code=202,
    response_model=WebhookDelivery,
    responses={202: example({**EXAMPLE, **_DUE}, "It is due now"), **problems(*ONE_EDIT)},
)
def replay_delivery(
    edit_id: str, delivery_id: str, services: ServicesDep, caller: KeyHolderDep
) -> WebhookDelivery:
    """Send a delivery again now, whatever its status. Its retry schedule starts over.

    It keeps its `webhook-id`, so a receiver that has handled it passes it over.
    """
    services.store.get(edit_id, caller=caller.name)
    return services.deliveries.replay(delivery_id, edit_id)
