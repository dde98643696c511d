"""Edits: list them, get one, cancel it, delete it."""

import time
from contextlib import suppress
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from api.auth import CallerDep, OwnerDep
from api.openapi.describe import ONE_EDIT, example, problems
from api.openapi.examples import EDIT, QUEUED
from api.responses.edit import etag_matches, etag_of, load_edit, render_edit, render_edits
from api.responses.pagination import EditFilter, Page, fetch_page
from api.responses.waiting import wait_for_end
from api.server.admission_slot import computing, leave_admission
from api.server.limits import MAX_WAIT
from api.server.shares import share_of
from api.services import ServicesDep
from core.errors import StoreUnavailable
from core.schema import Edit, EditStatus, Record, owner_of
from core.telemetry.logs import get_logger

log = get_logger("baret.api")

router = APIRouter(prefix="/v1/edits", tags=["edits"])

_METADATA = {
    "name": "metadata",
    "in": "query",
    "style": "deepObject",
    "explode": True,
    "description": "`metadata[key]=value`: only edits with this value",
    "schema": {"type": "object", "additionalProperties": {"type": "string"}},
}
_ETAG_HEADERS = {
    "ETag": {"description": "of the edit in this state", "schema": {"type": "string"}},
    "Cache-Control": {"description": "`private, no-cache`", "schema": {"type": "string"}},
}


@router.get(
    "",
    response_model=Page,
    responses={
        200: example({"data": [EDIT], "next_cursor": None}, "A page"),
        **problems("invalid_request", "validation_error", "unavailable"),
    },
    openapi_extra={"parameters": [_METADATA]},
)
async def list_edits(
    request: Request,
    services: ServicesDep,
    caller: CallerDep,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    cursor: str | None = None,
    status: EditStatus | None = None,
    user: Annotated[
        str | None, Query(description="only edits that tokens of this user made")
    ] = None,
) -> Response:
    """List your edits, newest first.

    Pass `next_cursor` as `cursor` for the next page, until it is null. A page may be short although
    more follow: with a filter, 1,000 edits are looked at in a request.
    """
    edit_filter = EditFilter.of(request, status, user)
    # A user's edits have a listing of their own, so a key that wants them reads no others.
    owner = owner_of(caller.name, caller.user or user)

    def page_text() -> str:
        before = services.cursors.read(caller.owner, cursor) if cursor is not None else None
        records, last = fetch_page(
            services.store, owner, edit_filter=edit_filter, limit=limit, before=before
        )
        page = Page(
            data=render_edits(services, request, records),
            next_cursor=services.cursors.make(caller.owner, last) if last else None,
        )
        return page.model_dump_json()  # here, because a page may have megabytes

    leave_admission(request.scope)
    share = share_of(request, caller.name)
    async with services.shares.lists.slot(share), computing(request.scope):
        text = await run_in_threadpool(page_text)
    return Response(text, media_type="application/json")


@router.get(
    "/{edit_id}",
    response_model=Edit,
    responses={
        200: {**example(EDIT, "The edit"), "headers": _ETAG_HEADERS},
        304: {"description": "Unchanged since `If-None-Match`", "headers": _ETAG_HEADERS},
        **problems(*ONE_EDIT),
    },
)
async def get_edit(
    request: Request,
    response: Response,
    edit_id: str,
    services: ServicesDep,
    caller: CallerDep,
    wait: Annotated[int, Query(ge=0, le=MAX_WAIT, description="seconds")] = 0,
    if_none_match: Annotated[str, Header(description="`ETag` of an earlier answer")] = "",
) -> Edit | Response:
    """Get an edit. With `wait`, the answer comes when it ends, or after that many seconds.

    To wait for as long as it takes, call it again until `completed_at` is set. Each answer has
    fresh signed addresses of the images. With `If-None-Match`, an edit that has not changed is not
    sent.
    """

    def load() -> tuple[Record, Edit]:
        record = services.store.get(edit_id, caller=caller.owner)
        return record, render_edit(services, request, record)

    if wait:
        now = await run_in_threadpool(services.store.get, edit_id, caller=caller.owner)
        if not now.status.final:
            await wait_for_end(services, request, edit_id, caller=caller, seconds=wait)
    record, edit = await run_in_threadpool(load)
    etag = etag_of(record, edit.queue_position, now=time.time())
    headers = {"ETag": etag}
    if etag_matches(if_none_match, etag):
        return Response(status_code=304, headers=headers)
    response.headers.update(headers)
    return edit


@router.post(
    "/{edit_id}/cancel",
    response_model=Edit,
    responses={
        200: example({**QUEUED, "status": "canceled", "queue_position": None}, "The edit"),
        **problems(*ONE_EDIT),
    },
)
def cancel_edit(request: Request, edit_id: str, services: ServicesDep, caller: OwnerDep) -> Edit:
    """Cancel an edit: at once if queued, within a denoising step if running.

    An edit that has ended does not change. A running one is still `running` in the answer; it ends
    as `canceled` within seconds.
    """
    services.store.cancel(edit_id, caller=caller)
    return load_edit(services, request, edit_id, caller)


@router.delete(
    "/{edit_id}",
    status_code=204,
    responses={
        204: {"description": "The record, the images and the artifacts are deleted"},
        **problems(*ONE_EDIT),
    },
)
async def delete_edit(
    request: Request, edit_id: str, services: ServicesDep, caller: OwnerDep
) -> None:
    """Delete an edit with its images. One that has not ended is canceled first.

    Nothing of it is left, and every later call for it answers 404. A photo that another edit uses
    through `source` stays with that one.
    """
    prefixes = await run_in_threadpool(services.store.delete, edit_id, caller=caller)
    leave_admission(request.scope)
    with suppress(StoreUnavailable):  # the housekeeper retries until nothing is left
        for prefix in prefixes:
            await run_in_threadpool(services.images.delete, prefix)
    log.info("deleted", edit=edit_id)
