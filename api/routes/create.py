"""Creating an edit: the steps of a POST, and its description."""

from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from api.auth import Caller, CallerDep
from api.openapi.describe import BINARY, REF, example, header, problems, ref, without_null
from api.openapi.examples import EDIT, QUEUED
from api.problems.errors import Overloaded, RateLimited
from api.responses.edit import render_edit, render_with
from api.responses.waiting import preferred_wait, wait_for_end
from api.server.admission_slot import leave_admission
from api.server.headers import IDEMPOTENCY_KEY, IDEMPOTENT_REPLAYED
from api.server.limits import MAX_WAIT
from api.server.shares import share_of
from api.services import Services, ServicesDep
from api.submission.accept import Origin, accept_edit
from api.submission.answer import PostAnswer
from api.submission.idempotency import KEY_PATTERN, IdempotencyKeyDep, idempotent
from api.submission.parsing import JSON_FIELDS, UPLOAD, CreateEditRequest, parse_submission
from core.errors import CoreError, KeyRevoked
from core.schema import Edit, EditStatus, Record, Submission
from core.telemetry.logs import get_logger

log = get_logger("baret.api")

router = APIRouter(prefix="/v1/edits", tags=["edits"])

EXAMPLE: dict[str, Any] = {
    "image": {"url": "https://pictures.example/dog.jpg"},
    "prompt": "a dog that jumps over a fence",
    "params": {"preset": "non_rigid", "strength": [0.5, 0.7]},
    "metadata": {"order": "1234"},
}
# A file's bytes have no example.
FORM_EXAMPLE: dict[str, Any] = {
    "prompt": "a dog that jumps over a fence",
    "upload": "upl_019ab1f27c3a7d4e8a55c0de12345678",
    "strength": [0.5, 0.7],
}


def form_schema() -> dict[str, Any]:
    """Return the schema of a multipart body: the JSON body's fields, with the image as a file.

    Written out, because few client generators follow a reference into another schema's properties.
    """
    schema = CreateEditRequest.model_json_schema(ref_template=REF)
    fields = {name: without_null(kind) for name, kind in schema["properties"].items()}
    fields |= {
        "image": BINARY | {"description": "exactly one of `image`, `upload` and `source`"},
        UPLOAD: {"type": "string", "description": "id of an upload that the image was sent to"},
        "params": {"type": "string", "description": "any parameters, as JSON text"},
    }
    return {
        "type": "object",
        "required": ["prompt"],
        "additionalProperties": False,
        "properties": fields,
    }


_BODY = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": form_schema(),
            "encoding": {name: {"contentType": "application/json"} for name in JSON_FIELDS},
            "example": FORM_EXAMPLE,
        },
        "application/json": {"schema": ref(CreateEditRequest), "example": EXAMPLE},
    },
}
PREFER = {
    "name": "Prefer",
    "in": "header",
    "description": "`wait=N`: wait up to N seconds (1 to 60) for the edit to end",
    "schema": {"type": "string"},
    "example": "wait=30",
}
IDEMPOTENCY_KEY_HEADER = {
    "name": IDEMPOTENCY_KEY,
    "in": "header",
    "description": "a name of your choice for this edit. Sent again within 24 h with the same "
    "body, it makes no second edit and gets the first answer",
    "schema": {"type": "string", "pattern": f"^{KEY_PATTERN}$"},
    "example": "order-1234",
}
_HEADERS = {
    "Location": header("the edit", EDIT["urls"]["self"]),
    "Preference-Applied": header("how long the answer could wait", "wait=30"),
    IDEMPOTENT_REPLAYED: header("`true`: this is the answer to the first such request", "true"),
}


@router.post(
    "",
    status_code=202,
    response_model=Edit,
    responses={
        201: {
            **example(EDIT, "The edit ended within the time of `Prefer: wait`"),
            "model": Edit,
            "headers": _HEADERS,
        },
        202: {**example(QUEUED, "Accepted"), "headers": _HEADERS},
        **problems(
            "invalid_request",
            "invalid_image",
            "token_spent",
            "image_too_large",
            "unsupported_media_type",
            "validation_error",
            "quota_exceeded",
            "url_not_allowed",
            "fetch_failed",
            "idempotency_in_progress",
            "idempotency_mismatch",
            "deleted",
            "expired",
            "queue_full",
            "no_worker",
            "unavailable",
        ),
    },
    openapi_extra={"requestBody": _BODY, "parameters": [PREFER, IDEMPOTENCY_KEY_HEADER]},
)
async def create_edit(
    request: Request, services: ServicesDep, caller: CallerDep, key: IdempotencyKeyDep
) -> Response:
    """Create an edit: send an image and the sentence that should describe it afterwards.

    The sentence is a caption ("a dog sitting"), not an instruction ("make the dog sit"). The answer
    comes at once, while the edit waits for a worker; follow it at `urls.self` with `?wait=`, at
    `urls.events`, or by a webhook. `Prefer: wait=60` makes the answer itself wait for the end. With
    an `Idempotency-Key`, a request that is sent again makes no second edit.

    The image is a file of the form, an address, base64, or an upload that was sent ahead. To edit
    a photo again, name the earlier edit as `source`: another strength then takes a fraction of the
    time. Several strengths in one edit are cheaper still.
    """
    share = share_of(request, caller.name)
    leave_admission(request.scope)
    async with AsyncExitStack() as intake:
        await intake.enter_async_context(services.shares.intake.slot(share))
        reservation = intake.enter_context(services.memory_limiter.reservation(share))
        parsed = await parse_submission(request, services.body_timeouts, reservation)
        async with idempotent(services, owner=caller.owner, key=key, parsed=parsed) as post:
            if post.answer is None:
                edit_id, accepted = post.edit_id, None
                if edit_id is None:
                    origin = Origin.of(request, services, caller)
                    accepted = await accept_edit(parsed, services, origin=origin, lock=post.lock)
                    edit_id = accepted.id
                parsed.drop_image()
                await intake.aclose()  # what is left needs no memory worth counting
                post.answer = await _answer(request, services, edit_id, caller, accepted)
        return post.answer.response(replayed=post.replayed)


async def _answer(
    request: Request,
    services: Services,
    edit_id: str,
    caller: Caller,
    accepted: Submission | None,
) -> PostAnswer:
    """Return the answer to a POST, after waiting as long as the client prefers.

    Once this request's own edit is `accepted`, nothing that fails here makes it an error.
    """
    waited = await _wait(request, services, edit_id, caller)
    now = datetime.now(UTC)
    try:
        record = await run_in_threadpool(services.store.get, edit_id, caller=caller.owner)
        edit = await run_in_threadpool(render_edit, services, request, record, now=now)
    except CoreError:  # Redis is away, or the edit was deleted meanwhile
        if accepted is None:
            raise
        record = Record(
            submission=accepted, status=EditStatus.QUEUED, queued_at=accepted.created_at
        )
        edit = render_with(services, request, record, None, now=now)
    return PostAnswer(edit, now, waited, caller.key_id)


async def _wait(request: Request, services: Services, edit_id: str, caller: Caller) -> int:
    """Wait as the client prefers, if that is possible now; return how long it might have been."""
    seconds = preferred_wait(request, at_most=MAX_WAIT)
    if not seconds:
        return 0
    try:
        await wait_for_end(services, request, edit_id, caller=caller, seconds=seconds)
    except KeyRevoked:
        raise  # a revoked key is shown nothing
    except (RateLimited, Overloaded, CoreError) as error:
        log.info("answered without waiting", edit=edit_id, reason=str(error))
        return 0
    return seconds
