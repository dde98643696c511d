"""An edit as its caller sees it now: its place in the queue, the time left, its entity tag."""

import re
from collections.abc import Sequence
from datetime import datetime

from fastapi import Request

from api.server.origins import base_url
from api.services import Services
from core.images.signed_urls import LINK_SECONDS
from core.schema import Edit, Record
from core.serializer import edit_resource
from core.store.estimates import QueueSnapshot, eta_seconds

_TAG = re.compile(r'(?:W/)?("[^"]*")')


def render_edit(
    services: Services, request: Request, record: Record, *, now: datetime | None = None
) -> Edit:
    """Return the resource of a record. Blocks to ask Redis unless the edit has ended.

    Its signed URLs are valid from `now`; None: the present.
    """
    snapshots = _queue_snapshots(services, [record])
    return render_with(services, request, record, snapshots.get(record.submission.id), now=now)


def render_edits(services: Services, request: Request, records: Sequence[Record]) -> list[Edit]:
    """Return the resources of records. Blocks to ask Redis, once for all that have not ended."""
    snapshots = _queue_snapshots(services, records)
    return [
        render_with(services, request, record, snapshots.get(record.submission.id))
        for record in records
    ]


def _queue_snapshots(services: Services, records: Sequence[Record]) -> dict[str, QueueSnapshot]:
    """Return the snapshots, by id, of those that have not ended."""
    going_on = [record for record in records if not record.status.final]
    return services.store.queue_snapshots(going_on) if going_on else {}


def render_with(
    services: Services,
    request: Request,
    record: Record,
    queue_snapshot: QueueSnapshot | None,
    *,
    now: datetime | None = None,
) -> Edit:
    """Return the resource of a record with what is known of the queue; None if nothing is.

    Its signed URLs are valid from `now`; None: the present.
    """
    return edit_resource(
        record,
        signer=services.signer,
        base_url=base_url(request, services.settings),
        queue_position=queue_snapshot.position if queue_snapshot else None,
        eta_seconds=eta_seconds(record, queue_snapshot) if queue_snapshot else None,
        key_id=request.state.key_id,
        now=now,
    )


def load_edit(services: Services, request: Request, edit_id: str, caller: str | None) -> Edit:
    """Return the resource of an edit by its id; None for anybody's. Blocks to ask Redis.

    Raises:
        EditUnavailable: one of its kinds.
    """
    return render_edit(services, request, services.store.get(edit_id, caller=caller))


def etag_of(record: Record, position: int | None, *, now: float) -> str:
    """Return the entity tag of an edit at a position in the queue and a Unix time.

    It is weak: `eta_seconds` changes without it. It changes halfway through the life of the signed
    URLs, so a client that gets a 304 holds URLs that still work.
    """
    age = int(now // (LINK_SECONDS / 2))
    place = "" if position is None else position
    return f'W/"{record.version}.{place}.{age}"'


def etag_matches(if_none_match: str, etag: str) -> bool:
    """Return whether an `If-None-Match` header names the tag (RFC 9110, 13.1.2: weakly)."""
    tags = _TAG.findall(if_none_match)
    return if_none_match.strip() == "*" or etag.removeprefix("W/") in tags
