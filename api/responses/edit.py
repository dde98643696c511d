"""A record as its caller sees it now: with its place in the queue and the time left."""

from fastapi import Request

from api.server.origins import base_url
from api.services import Services
from core.schema import Edit, Record
from core.serializer import edit_resource
from core.store.estimates import eta_seconds


def render_edit(services: Services, request: Request, record: Record) -> Edit:
    """The resource. Blocks to ask Redis while the edit has not ended."""
    queue_snapshot = None if record.status.final else services.store.queue_snapshot(record)
    return edit_resource(
        record,
        signer=services.signer,
        base_url=base_url(request, services.settings),
        queue_position=queue_snapshot.position if queue_snapshot else None,
        eta_seconds=eta_seconds(record, queue_snapshot) if queue_snapshot else None,
    )


def load_edit(services: Services, request: Request, edit_id: str, caller: str) -> Edit:
    """The resource of this id.

    Raises:
        EditUnavailable: one of its kinds.
    """
    return render_edit(services, request, services.store.get(edit_id, caller=caller))
