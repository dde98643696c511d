"""Creating an edit: the steps of a POST, and its description."""

import re
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from api.auth import Caller, CallerDep
from api.openapi.describe import BINARY, REF, example, header, problems, ref, without_null
from api.openapi.examples import EDIT, QUEUED
from api.responses.edit import render_edit
from api.server.headers import IDEMPOTENCY_KEY, IDEMPOTENT_REPLAYED
from api.server.limits import MAX_WAIT
from api.services import Services, ServicesDep
from api.submission.accept import accept_edit
from api.submission.answer import PostAnswer
from api.submission.idempotency import KEY_PATTERN, IdempotencyKeyDep, idempotent
from api.submission.parsing import JSON_FIELDS, CreateEditRequest, parse_submission
from core.schema import Edit

router = APIRouter(prefix="/v1/edits", tags=["edits"])

_WAIT = re.compile(r'(?:^|,)\s*wait\s*=\s*"?(\d{1,9})"?\s*(?:[,;]|$)', re.IGNORECASE)

EXAMPLE: dict[str, Any] = {
    "image": {"url": "https://pictures.example/dog.jpg"},
    "prompt": "a dog that jumps over a fence",
    "params": {"preset": "non_rigid", "strength": [0.5, 0.7]},
    "metadata": {"order": "1234"},
}


def _form_schema() -> dict[str, Any]:
    """Return the schema of a multipart body: the JSON body's fields, with the image as a file.

    Written out, because few client generators follow a reference into another schema's properties.
    """
    schema = CreateEditRequest.model_json_schema(ref_template=REF)
    fields = {name: without_null(kind) for name, kind in schema["properties"].items()}
    fields |= {
        "image": BINARY | {"description": "exactly one of `image` and `source`"},
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
            "schema": _form_schema(),
            "encoding": {name: {"contentType": "application/json"} for name in JSON_FIELDS},
        },
        "application/json": {"schema": ref(CreateEditRequest), "example": EXAMPLE},
    },
}
_PREFER = {
    "name": "Prefer",
    "in": "header",
    "description": "`wait=N`: wait up to N seconds (1 to 60) for the edit to end",
    "schema": {"type": "string"},
    "example": "wait=30",
}
_IDEMPOTENCY_KEY = {
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
    openapi_extra={"requestBody": _BODY, "parameters": [_PREFER, _IDEMPOTENCY_KEY]},
)
async def create_edit(
    request: Request, services: ServicesDep, caller: CallerDep, key: IdempotencyKeyDep
) -> Response:
    """Create an edit: send an image and the sentence that should describe it afterwards."""
    with services.memory_limiter.reservation() as reservation:
        parsed = await parse_submission(request, services.body_timeouts, reservation)
        async with idempotent(services, owner=caller.owner, key=key, parsed=parsed) as post:
            if post.answer is None:
                edit_id = post.edit_id or await accept_edit(
                    parsed, request, services, caller=caller, lock=post.lock
                )
                parsed.drop_image()
                reservation.release()
                post.answer = await _answer(request, services, edit_id, caller)
        return post.answer.response(replayed=post.replayed)


async def _answer(request: Request, services: Services, edit_id: str, caller: Caller) -> PostAnswer:
    """Return the answer to a POST, after waiting as long as the client prefers."""
    wait = _preferred_wait(request)
    if wait:
        await services.follower.wait_until_final(edit_id, wait, key_id=caller.key_id)
    record = await run_in_threadpool(services.store.get, edit_id, caller=caller.owner)
    now = datetime.now(UTC)
    edit = await run_in_threadpool(render_edit, services, request, record, now=now)
    return PostAnswer(edit, now, wait, caller.key_id)


def _preferred_wait(request: Request) -> int:
    """Return the seconds of `Prefer: wait=N` (RFC 7240): at most a minute, 0 without one."""
    match = _WAIT.search(",".join(request.headers.getlist("prefer")))
    return min(int(match[1]), MAX_WAIT) if match else 0
