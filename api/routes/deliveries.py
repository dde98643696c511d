"""What was sent to an edit's webhook, and sending it again."""

from fastapi import APIRouter
from pydantic import BaseModel

from api.auth import CallerNameDep
from api.openapi.describe import LIST_DELIVERIES, REPLAY_DELIVERY
from api.services import ServicesDep
from core.webhooks.schema import WebhookDelivery

router = APIRouter(prefix="/v1/edits/{edit_id}/deliveries", tags=["webhooks"])


class Deliveries(BaseModel):
    """The deliveries of an edit, the oldest first."""

    data: list[WebhookDelivery]


@router.get("", response_model=Deliveries, **LIST_DELIVERIES)
def list_deliveries(edit_id: str, services: ServicesDep, caller: CallerNameDep) -> Deliveries:
    """What was sent to the edit's webhook, when, with what answer, and what is still due."""
    services.store.get(edit_id, caller=caller)
    return Deliveries(data=services.deliveries.of(edit_id))


@router.post(
    "/{delivery_id}/replay", status_code=202, response_model=WebhookDelivery, **REPLAY_DELIVERY
)
def replay_delivery(
    edit_id: str, delivery_id: str, services: ServicesDep, caller: CallerNameDep
) -> WebhookDelivery:
    """Send a delivery again, now, whatever came of it; its schedule begins anew."""
    services.store.get(edit_id, caller=caller)
    return services.deliveries.replay(delivery_id, edit_id)
