"""What the OpenAPI document says of the operation in OpenAI's shape."""

import json
from typing import Any

from api.openapi.describe import BINARY, header, problems, ref, without_null
from api.openapi.examples import EDIT
from api.responses.openai_answer import USAGE, ImageEvent, OpenAIImages
from api.routes.create import FORM_EXAMPLE, IDEMPOTENCY_KEY_HEADER, PREFER, form_schema
from api.server.headers import IDEMPOTENT_REPLAYED
from api.server.limits import MAX_IMAGE_WAIT
from api.submission.openai_request import ImageEditFields
from api.submission.parsing import UPLOAD

EXAMPLE: dict[str, Any] = {
    "created": 1767605421,
    "data": [{"b64_json": "iVBORw0KGgo…"}],
    "output_format": "png",
    "size": "640x480",
    "usage": USAGE,
    "warnings": EDIT["warnings"],
}
_EVENT = {
    "created_at": 1767605421,
    "output_format": "png",
    "background": "auto",
    "quality": "auto",
}
EVENT_EXAMPLES: list[dict[str, Any]] = [
    {
        "type": "image_edit.partial_image",
        "b64_json": "iVBORw0KGgo…",
        "size": "96x72",
        **_EVENT,
        "partial_image_index": 0,
    },
    {
        "type": "image_edit.completed",
        "b64_json": "iVBORw0KGgo…",
        "size": "640x480",
        **_EVENT,
        "usage": USAGE,
    },
]
_HEADERS = {
    "Location": header("the edit", EDIT["urls"]["self"]),
    IDEMPOTENT_REPLAYED: header("`true`: the edit is that of the first such request", "true"),
}


def _form_schema() -> dict[str, Any]:
    schema = form_schema()
    own = ImageEditFields.model_json_schema()["properties"]
    fields = {name: without_null(kind) for name, kind in own.items()}
    schema["properties"] = {**schema["properties"], **fields}
    del schema["properties"][UPLOAD]  # these clients send the photo itself
    schema["properties"]["image"] = BINARY | {"description": "the photo, exactly one"}
    return schema


DESCRIPTION_OF_EDITS: dict[str, Any] = {
    "response_model": OpenAIImages,
    "responses": {
        200: {
            "description": "The images, once the edit has ended; with `stream`, events",
            "headers": _HEADERS,
            "content": {
                "application/json": {"example": EXAMPLE},
                "text/event-stream": {
                    "schema": {"type": "string"},
                    "example": "".join(
                        f"event: {one['type']}\ndata: {json.dumps(one, ensure_ascii=False)}\n\n"
                        for one in EVENT_EXAMPLES
                    ),
                    "x-event-data": {one["type"]: ref(ImageEvent) for one in EVENT_EXAMPLES},
                },
            },
        },
        **problems(
            *("invalid_request", "invalid_image", "unauthenticated", "forbidden", "token_spent"),
            *("quota_exceeded", "not_found", "not_finished", "idempotency_in_progress"),
            *("expired", "deleted", "image_too_large", "unsupported_media_type"),
            *("validation_error", "url_not_allowed", "fetch_failed", "idempotency_mismatch"),
            *("rate_limited", "queue_full", "no_worker", "unavailable", "wait_timeout"),
            openai=True,
        ),
    },
    "openapi_extra": {
        "requestBody": {
            "required": True,
            "content": {
                "multipart/form-data": {
                    "schema": _form_schema(),
                    "example": {"prompt": FORM_EXAMPLE["prompt"], "model": "zoo", "n": 2},
                }
            },
        },
        "parameters": [
            PREFER
            | {
                "description": f"`wait=N`: wait up to N seconds (0 to {MAX_IMAGE_WAIT}, the "
                "default) for the edit to end"
            },
            IDEMPOTENCY_KEY_HEADER,
        ],
    },
}
