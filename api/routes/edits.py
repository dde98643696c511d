"""Edits: ask for one, look, list, cancel, delete, take the picture."""

import math
import re
import time
from contextlib import suppress
from functools import partial
from typing import Annotated

from anyio import to_thread
from fastapi import APIRouter, Header, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from api.auth import CallerDep, CallerNameDep
from api.openapi import describe as described
from api.problems.errors import AddressUnknown, NotFinished
from api.responses.edit import load_edit, render_edit
from api.responses.etag import etag_of, matches
from api.responses.negotiation import transcode, wanted_format
from api.responses.pagination import EditFilter, Page, fetch_page
from api.services import Services, ServicesDep
from api.submission.accept import accept_edit
from api.submission.idempotency import Answer, attempt, key_of, store_response
from api.submission.parsing import parse_submission
from core.errors import StoreUnavailable
from core.schema import Edit, EditStatus, OutputFormat, Record, StoredImage
from core.telemetry.logs import get_logger

MAX_WAIT = 60  # seconds

log = get_logger("baret.api")

router = APIRouter(prefix="/v1/edits", tags=["edits"])

_WAIT = re.compile(r'(?:^|,)\s*wait\s*=\s*"?(\d{1,9})"?\s*(?:[,;]|$)', re.IGNORECASE)


@router.post("", status_code=202, response_model=Edit, **described.CREATE_EDIT)
async def create_edit(request: Request, services: ServicesDep, admitted: CallerDep) -> Response:
    """Ask for an edit: a picture and the sentence that should describe it afterwards."""
    key = key_of(request)
    with services.memory_limiter.reservation() as reservation:
        parsed = await parse_submission(request, services.body_timeouts, reservation)
        async with attempt(services, caller=admitted.caller, key=key, parsed=parsed) as this:
            if this.answer is not None:
                return this.answer.response(replayed=True)
            if this.replay is not None:
                edit_id = this.replay.edit_id
            else:
                edit_id = await accept_edit(
                    parsed, request, services, admitted=admitted, lock=this.lock
                )
            parsed.drop_image()
            reservation.release()
            answer = await _answer(request, services, edit_id, admitted.caller)
    if this.lock is not None:
        await store_response(services, this.lock, answer)
    return answer.response(replayed=this.replay is not None)


async def _answer(request: Request, services: Services, edit_id: str, caller: str) -> Answer:
    """The answer to a POST, after as long as it would wait."""
    wait = _preferred_wait(request)
    if wait:
        await services.follower.until_final(edit_id, wait)
    edit = await run_in_threadpool(load_edit, services, request, edit_id, caller)
    return Answer(
        status=201 if wait and edit.status.final else 202,
        headers={"Location": edit.urls.self}
        | ({"Preference-Applied": f"wait={wait}"} if wait else {}),
        body=edit.model_dump(mode="json"),
    )


@router.get("", response_model=Page, **described.LIST_EDITS)
def list_edits(
    request: Request,
    services: ServicesDep,
    caller: CallerNameDep,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    cursor: str | None = None,
    status: EditStatus | None = None,
) -> Page:
    """Your edits, the newest first."""
    wanted = EditFilter.of(request, status)
    before = services.cursors.read(caller, cursor) if cursor is not None else None
    records, last = fetch_page(services.store, caller, wanted=wanted, limit=limit, before=before)
    return Page(
        data=[render_edit(services, request, record) for record in records],
        next_cursor=services.cursors.make(caller, last) if last else None,
    )


@router.get("/{edit_id}", response_model=Edit, **described.GET_EDIT)
async def get_edit(
    request: Request,
    response: Response,
    edit_id: str,
    services: ServicesDep,
    caller: CallerNameDep,
    wait: Annotated[int, Query(ge=0, le=MAX_WAIT, description="seconds")] = 0,
    if_none_match: Annotated[str, Header(description="`ETag` of an earlier answer")] = "",
) -> Edit | Response:
    """One edit; with `wait`, as soon as it has ended, or after that many seconds."""
    record = await run_in_threadpool(services.store.get, edit_id, caller=caller)
    if wait and not record.status.final:
        await services.follower.until_final(edit_id, wait)
        record = await run_in_threadpool(services.store.get, edit_id, caller=caller)
    edit = await run_in_threadpool(render_edit, services, request, record)
    etag = etag_of(record, edit.queue_position, now=time.time())
    headers = {"ETag": etag, "Cache-Control": "private, no-cache"}
    if matches(if_none_match, etag):
        return Response(status_code=304, headers=headers)
    response.headers.update(headers)
    return edit


@router.post("/{edit_id}/cancel", response_model=Edit, **described.CANCEL_EDIT)
def cancel_edit(
    request: Request, edit_id: str, services: ServicesDep, caller: CallerNameDep
) -> Edit:
    """Cancel a queued edit at once, a running one within a denoising step; else change nothing."""
    services.store.cancel(edit_id, caller=caller)
    return load_edit(services, request, edit_id, caller)


@router.delete("/{edit_id}", status_code=204, **described.DELETE_EDIT)
def delete_edit(edit_id: str, services: ServicesDep, caller: CallerNameDep) -> None:
    """Delete an edit with its pictures; one that has not ended is canceled first."""
    services.store.delete(edit_id, caller=caller)
    with suppress(StoreUnavailable):  # the housekeeper tries until none is left
        services.files.delete(edit_id)
    log.info("deleted", edit=edit_id)


@router.get("/{edit_id}/image", response_class=Response, **described.GET_IMAGE)
async def get_image(
    edit_id: str,
    services: ServicesDep,
    caller: CallerNameDep,
    interpolation: Annotated[float | None, Query(description="default: the first output")] = None,
    form: Annotated[
        OutputFormat | None, Query(alias="format", description="default: by `Accept`")
    ] = None,
    accept: Annotated[str, Header(include_in_schema=False)] = "",
) -> Response:
    """An output's bytes, in the encoding you prefer."""
    record = await run_in_threadpool(services.store.get, edit_id, caller=caller)
    image = _output(record, interpolation)
    data = await run_in_threadpool(services.files.get, edit_id, image.name)
    if data is None:
        raise AddressUnknown("This picture is no longer kept.")
    stored = OutputFormat(image.content_type.removeprefix("image/"))
    form = form or wanted_format(accept, stored)
    if form is not stored:
        work = partial(
            transcode,
            quality=record.submission.params.quality,
            marking=services.marking,
            model=record.submission.model,
        )
        data = await to_thread.run_sync(work, data, form, limiter=services.decoders)
    headers = {
        "Cache-Control": "private, max-age=3600",
        "Vary": "Accept",
        "X-Content-Type-Options": "nosniff",
    }
    return Response(data, media_type=form.content_type, headers=headers)


def _preferred_wait(request: Request) -> int:
    """Seconds of `Prefer: wait=N` (RFC 7240): at most a minute, 0 where there is no such wish."""
    found = _WAIT.search(",".join(request.headers.getlist("prefer")))
    return min(int(found[1]), MAX_WAIT) if found else 0


def _output(record: Record, interpolation: float | None) -> StoredImage:
    if record.status is not EditStatus.SUCCEEDED or record.result is None:
        raise NotFinished(f"The edit is {record.status}; a succeeded one has pictures.")
    for image in record.result.outputs:
        if interpolation is None or math.isclose(image.interpolation or 0, interpolation):
            return image
    raise AddressUnknown("The edit has no output of this interpolation; `outputs` lists them.")
