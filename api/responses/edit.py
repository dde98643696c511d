"""A record as its caller sees it now: with its place in the queue and the time left."""

from fastapi import Request

from api.server.origins import base_url
from api.services import Services
from core.schema import Edit, Record
from core.serializer import present
from core.store.estimates import eta_seconds


def shown(services: Services, request: Request, record: Record) -> Edit:
    """The resource. Blocks to ask Redis while the edit has not ended."""
    outlook = None if record.status.final else services.store.outlook(record)
    return present(
        record,
        signer=services.signer,
        base_url=base_url(request, services.settings),
        queue_position=outlook.position if outlook else None,
        eta_seconds=eta_seconds(record, outlook) if outlook else None,
    )


def show(services: Services, request: Request, edit_id: str, caller: str) -> Edit:
    """The resource of this id.

    Raises:
        EditGone: one of its kinds.
    """
    return shown(services, request, services.store.get(edit_id, caller=caller))
