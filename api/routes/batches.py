"""Batches: create one, follow it, read its results, cancel it, delete it."""

from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from api.auth import Caller, KeyHolderDep
from api.openapi.describe import example, header, problems, ref
from api.openapi.examples import BATCH, EDIT
from api.responses.batch_results import result_lines
from api.responses.sse import SharedStream
from api.routes.create import EXAMPLE as EDIT_EXAMPLE
from api.routes.create import IDEMPOTENCY_KEY_HEADER
from api.server.admission_slot import leave_admission
from api.server.headers import IDEMPOTENT_REPLAYED
from api.server.origins import base_url
from api.server.shares import share_of
from api.services import Services, ServicesDep
from api.submission.batch_request import JSON_LINES, CreateBatchRequest, ParsedBatch, parse_batch
from api.submission.idempotency import IdempotencyKeyDep, locked
from core.errors import CoreError, StoreUnavailable
from core.ids import new_batch_id
from core.images.keys import batch_page, batch_prefix
from core.schema import LINES_PER_PAGE, Batch, BatchResult, NewBatch
from core.serializer import batch_resource
from core.store.idempotency import IdempotencyLock, Replay
from core.telemetry.logs import get_logger

log = get_logger("baret.api")

router = APIRouter(prefix="/v1/batches", tags=["batches"])

ONE_BATCH = ("not_found", "validation_error", "unavailable")
_LINE = '{"custom_id": "dog-1", "method": "POST", "url": "/v1/edits", "body": {"image": "https://pictures.example/dog.jpg", "prompt": "a dog that jumps"}}\n'  # noqa: E501  # one line of JSON lines
_LINES = {"schema": {"type": "string"}, "example": _LINE}
_FORM = {
    "type": "object",
    "required": ["file"],
    "additionalProperties": False,
    "properties": {
        "file": {"type": "string", "format": "binary", "description": "the edits, as JSON lines"},
        "webhook_url": {"type": "string", "description": "address that is called at the end"},
        "metadata": {"type": "string", "description": "your own keys and values, as JSON text"},
    },
}
_BODY = {
    "required": True,
    "content": {
        "application/json": {
            "schema": ref(CreateBatchRequest),
            "example": {"edits": [EDIT_EXAMPLE], "metadata": {"campaign": "spring"}},
        },
        **dict.fromkeys(JSON_LINES, _LINES),
        "multipart/form-data": {
            "schema": _FORM,
            "example": {"file": _LINE, "metadata": '{"campaign": "spring"}'},
        },
    },
}
_HEADERS = {
    "Location": header("the batch", BATCH["urls"]["self"]),
    IDEMPOTENT_REPLAYED: header("`true`: an earlier request made this batch", "true"),
}
_RESULT: dict[str, Any] = {"index": 0, "custom_id": "dog-1", "edit": EDIT, "error": None}


class BatchList(BaseModel):
    """A page of batches, newest first."""

    data: list[Batch] = Field(description="batches, the newest first")
    next_cursor: str | None = Field(None, description="for the next page; null on the last one")


@router.post(
    "",
    status_code=202,
    response_model=Batch,
    responses={
        202: {**example(BATCH, "Accepted"), "headers": _HEADERS},
        **problems(
            "invalid_request",
            "image_too_large",
            "unsupported_media_type",
            "validation_error",
            "url_not_allowed",
            "quota_exceeded",
            "idempotency_in_progress",
            "idempotency_mismatch",
            "deleted",
            "expired",
            "no_worker",
            "unavailable",
        ),
    },
    openapi_extra={"requestBody": _BODY, "parameters": [IDEMPOTENCY_KEY_HEADER]},
)
async def create_batch(
    request: Request, services: ServicesDep, caller: KeyHolderDep, key: IdempotencyKeyDep
) -> Response:
    """Create a batch: up to 10,000 edits that nobody waits for, in one request of up to 20 MB.

    Send `edits` as JSON, or a line of JSON for each as `application/jsonl`, or as the `file` of a
    form. Each is the body of `POST /v1/edits` in JSON, of at most 64 KB, or a line of OpenAI's
    Batch API with that body. All are checked first, and an error names the line and the field;
    photos are fetched as the edits are queued, and an edit that is refused then is an error of its
    own in the results.

    The edits have the priority `batch`. They are queued a few at a time, so that your other edits
    are not held up, and your batches go one after the other. Read the results while the batch runs
    or when its webhook comes.
    """
    share = share_of(request, caller.name)
    leave_admission(request.scope)
    async with services.shares.intake.slot(share):
        with services.memory_limiter.reservation(share) as reservation:
            parsed = await parse_batch(request, services, caller, reservation)
            body = await run_in_threadpool(parsed.fingerprint) if key else ""
            async with locked(services, owner=caller.owner, key=key, body=body) as held:
                if isinstance(held, Replay):
                    batch_id = held.id
                else:
                    new = _new(request, services, caller, parsed)
                    await run_in_threadpool(_accept, services, new, parsed.lines, held)
                    batch_id = new.id
    batch = await run_in_threadpool(_load, services, request, batch_id, caller)
    headers = {"Location": batch.urls.self}
    if isinstance(held, Replay):
        headers[IDEMPOTENT_REPLAYED] = "true"
    return JSONResponse(batch.model_dump(mode="json"), 202, headers)


def _new(request: Request, services: Services, caller: Caller, parsed: ParsedBatch) -> NewBatch:
    return NewBatch(
        id=new_batch_id(),
        caller=caller.name,
        key_id=caller.key_id,
        base_url=base_url(request, services.settings),
        webhook_url=parsed.webhook_url or "",
        metadata=parsed.metadata,
        total=len(parsed.lines),
        keep_seconds=services.settings.retention,
    )


def _accept(
    services: Services, new: NewBatch, lines: list[bytes], lock: IdempotencyLock | None
) -> None:
    """Store a batch's lines first, so that who feeds it finds them; then accept it."""
    settings, store = services.settings, services.store
    prefix, size = batch_prefix(new.id), sum(map(len, lines))
    limit = settings.image_mb_per_key * 10**6
    store.reserve_upload(prefix, caller=new.caller, size=size, limit=limit)
    try:
        for first in range(0, len(lines), LINES_PER_PAGE):
            page = b"\n".join(lines[first : first + LINES_PER_PAGE])
            services.images.put(prefix, batch_page(first // LINES_PER_PAGE), page)
        bound = settings.record_mb_per_key * 10**6
        services.batches.create(new, record_bytes=bound, lock=lock)
    except StoreUnavailable:
        raise  # it may have been accepted: the lines stay until that is known (`reserve_upload`)
    except CoreError:
        store.discard_upload(prefix)
        raise
    log.info("batch accepted", batch=new.id, caller=new.caller, edits=new.total, bytes=size)


def _load(services: Services, request: Request, batch_id: str, caller: Caller) -> Batch:
    record = services.batches.get(batch_id, caller=caller.name)
    return batch_resource(record, base_url=base_url(request, services.settings))


@router.get(
    "",
    response_model=BatchList,
    responses={
        200: example({"data": [BATCH], "next_cursor": None}, "A page"),
        **problems("invalid_request", "validation_error", "unavailable"),
    },
)
def list_batches(
    request: Request,
    services: ServicesDep,
    caller: KeyHolderDep,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    cursor: str | None = None,
) -> BatchList:
    """List your batches, newest first. Pass `next_cursor` as `cursor` for the next page."""
    cursors, before = services.cursors, None
    if cursor is not None:
        before = cursors.read(caller.owner, cursor, kind="batch")
    records, last = services.batches.page(caller.name, before=before, limit=limit)
    url = base_url(request, services.settings)
    return BatchList(
        data=[batch_resource(record, base_url=url) for record in records],
        next_cursor=cursors.make(caller.owner, last) if last else None,
    )


@router.get(
    "/{batch_id}",
    response_model=Batch,
    responses={200: example(BATCH, "The batch"), **problems(*ONE_BATCH)},
)
def get_batch(
    request: Request, batch_id: str, services: ServicesDep, caller: KeyHolderDep
) -> Batch:
    """Get a batch: its status, how many of its edits have ended, and how long the rest may take."""
    return _load(services, request, batch_id, caller)


@router.get(
    "/{batch_id}/results",
    response_class=Response,
    responses={
        200: {
            "description": "A line of JSON for each edit that has ended, in the order of the "
            "batch; `x-line` names the schema of a line",
            "content": {
                JSON_LINES[0]: {
                    "schema": {"type": "string"},
                    "x-line": ref(BatchResult),
                    "example": BatchResult.model_validate(_RESULT).model_dump_json() + "\n",
                }
            },
        },
        **problems(*ONE_BATCH),
    },
)
async def get_batch_results(
    request: Request, batch_id: str, services: ServicesDep, caller: KeyHolderDep
) -> Response:
    """Get the results of a batch so far: a line of JSON for each edit that has ended.

    A line has the edit, with fresh signed addresses of its images, or why there is none. An edit
    expires as any other, counted from its own end: read the results of a long batch as it runs.
    """
    record = await run_in_threadpool(services.batches.get, batch_id, caller=caller.name)
    leave_admission(request.scope)
    streams, share = services.shares.streams, share_of(request, caller.name)
    await streams.acquire(share)
    return SharedStream(
        result_lines(services, request, record),
        media_type=JSON_LINES[0],
        headers={"Cache-Control": "no-store"},
        on_end=partial(streams.release, share),
    )


@router.post(
    "/{batch_id}/cancel",
    response_model=Batch,
    responses={
        200: example({**BATCH, "status": "canceling"}, "The batch"),
        **problems(*ONE_BATCH),
    },
)
def cancel_batch(
    request: Request, batch_id: str, services: ServicesDep, caller: KeyHolderDep
) -> Batch:
    """Cancel a batch: edits that are not running at once, running ones within a denoising step.

    What has ended stays, and is in the results. A batch that has ended does not change.
    """
    _load(services, request, batch_id, caller)
    services.batches.cancel(batch_id)
    return _load(services, request, batch_id, caller)


@router.delete(
    "/{batch_id}",
    status_code=204,
    responses={
        204: {"description": "The batch and all its edits are deleted"},
        **problems(*ONE_BATCH),
    },
)
def delete_batch(
    request: Request, batch_id: str, services: ServicesDep, caller: KeyHolderDep
) -> None:
    """Delete a batch with all its edits and their images. One that has not ended is canceled first.

    Every later call for it or its edits answers 404; the images follow within seconds.
    """
    _load(services, request, batch_id, caller)
    services.batches.delete(batch_id)
    log.info("batch deleted", batch=batch_id)
