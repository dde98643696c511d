"""What FastAPI cannot derive of the description: bodies read by hand, problems, examples.

Each constant is given to its route's decorator; `describe` builds the document from them.
"""

from http import HTTPStatus
from typing import Any, Literal

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic import BaseModel

from api.openapi.examples import (
    DELIVERY,
    EDIT,
    EVENT_LINES,
    HOOKS,
    MODEL,
    QUEUED,
    REQUEST,
    SECRET,
)
from api.problems.handlers import MEDIA_TYPE
from api.problems.types import BY_CODE
from api.responses.sse import EVENTS, RETRY_MS
from api.submission.idempotency import FORM, HEADER, REPLAYED
from api.submission.parsing import CreateEditRequest, ImageInput
from core.problems import EDIT_PROBLEMS, make_problem
from core.schema import Edit, ParamsInput, Problem

_REF = "#/components/schemas/{model}"
_IMAGE = {"type": "string", "format": "binary"}

# Fields of answers and webhooks that are there only where there is something to say.
_LEFT_OUT = {"Problem": ("instance", "errors"), "WebhookBody": ("omitted",)}

DESCRIPTION = (
    "Edits a photo as a sentence says: send a picture and the text that should describe it "
    "afterwards, follow the edit, take the picture. Errors are problem details (RFC 9457)."
)


def _example(value: Any, description: str) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"example": value}}}


def operation_id(route: APIRoute) -> str:
    """The name that generated clients give an operation: `create_edit` is `createEdit`."""
    first, *rest = route.name.split("_")
    return first + "".join(map(str.capitalize, rest))


def _problems(*codes: str) -> dict[int | str, dict[str, Any]]:
    """The answers of an operation that are problems; a status may have several codes."""
    answers: dict[int | str, dict[str, Any]] = {}
    for kind in (BY_CODE[code] for code in (*codes, "internal_error")):
        answer = answers.setdefault(kind.status, {"description": "", "content": {MEDIA_TYPE: {}}})
        answer["description"] = f"{answer['description']}, `{kind.code}`".removeprefix(", ")
        media = answer["content"][MEDIA_TYPE]
        media["schema"] = {"$ref": _REF.format(model="Problem")}
        problem = make_problem(kind.code, kind.title, status=kind.status, detail=kind.help)
        media.setdefault("examples", {})[kind.code] = {
            "value": problem.model_dump(exclude_none=True)
        }
        headers = answer.setdefault("headers", {})
        headers.update({name: _header("", example) for name, example in kind.headers.items()})
        if kind.retry_after is not None:
            headers["Retry-After"] = _header("seconds", kind.retry_after)
    return answers


def _header(description: str, example: str | int) -> dict[str, Any]:
    kind = "integer" if isinstance(example, int) else "string"
    return {"description": description, "schema": {"type": kind}, "example": example}


def _form_schema() -> dict[str, Any]:
    """The multipart body: the JSON body's fields, with the picture as a file."""
    ref = _REF.format(model="CreateEditRequest")
    names = CreateEditRequest.model_fields.keys() - {"image"}
    properties = {name: {"$ref": f"{ref}/properties/{name}"} for name in sorted(names)}
    params = {"type": "string", "description": "any parameters, as JSON text"}
    return {
        "type": "object",
        "required": ["prompt"],
        "properties": {"image": _IMAGE, **properties, "params": params},
    }


_CREATE_BODY = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": _form_schema(),
            "encoding": {
                name: {"contentType": "application/json"}
                for name in ("params", "metadata", "webhook_events")
            },
        },
        "application/json": {
            "schema": {"$ref": _REF.format(model="CreateEditRequest")},
            "example": REQUEST,
        },
    },
}
_PREFER = {
    "name": "Prefer",
    "in": "header",
    "description": "`wait=N`: wait up to N seconds (1 to 60) for the edit's end",
    "schema": {"type": "string"},
    "example": "wait=30",
}
_IDEMPOTENCY_KEY = {
    "name": HEADER,
    "in": "header",
    "description": "your own name for this edit: sent again within 24 h with the same body, it "
    "makes no second one and gets the first answer",
    "schema": {"type": "string", "pattern": f"^{FORM}$"},
    "example": "order-1234",
}
_POSTED = {
    "Location": _header("the edit", EDIT["urls"]["self"]),
    "Preference-Applied": _header("how long the answer would wait", "wait=30"),
    REPLAYED: _header("`true`: this is the answer to the first such request", "true"),
}
# On every answer to a request with a key.
_RATE = {
    "RateLimit-Policy": _header(
        "the key's quota of requests and its window in seconds "
        "(draft-ietf-httpapi-ratelimit-headers-11)",
        '"requests";q=600;w=60',
    ),
    "RateLimit": _header(
        "how many are left, and the seconds until there are more", '"requests";r=599;t=60'
    ),
}
_METADATA = {
    "name": "metadata",
    "in": "query",
    "style": "deepObject",
    "explode": True,
    "description": "`metadata[key]=value`: only edits with this value",
    "schema": {"type": "object", "additionalProperties": {"type": "string"}},
}

CREATE_EDIT: dict[str, Any] = {
    "responses": {
        201: {
            **_example(EDIT, "Ended while `Prefer: wait` waited"),
            "model": Edit,
            "headers": _POSTED,
        },
        202: {**_example(QUEUED, "Accepted"), "headers": _POSTED},
        **_problems(
            "invalid_request",
            "invalid_image",
            "image_too_large",
            "unsupported_media_type",
            "validation_error",
            "url_not_allowed",
            "fetch_failed",
            "idempotency_in_progress",
            "idempotency_mismatch",
            "queue_full",
            "no_worker",
            "unavailable",
        ),
    },
    "openapi_extra": {"requestBody": _CREATE_BODY, "parameters": [_PREFER, _IDEMPOTENCY_KEY]},
}
LIST_EDITS: dict[str, Any] = {
    "responses": {
        200: _example({"data": [EDIT], "next_cursor": None}, "A page"),
        **_problems("invalid_request", "validation_error", "unavailable"),
    },
    "openapi_extra": {"parameters": [_METADATA]},
}
_ETAG = {
    "ETag": {"description": "of the edit as shown", "schema": {"type": "string"}},
    "Cache-Control": {"description": "`private, no-cache`", "schema": {"type": "string"}},
}
GET_EDIT: dict[str, Any] = {
    "responses": {
        200: {**_example(EDIT, "The edit"), "headers": _ETAG},
        304: {"description": "As `If-None-Match` has it", "headers": _ETAG},
        **_problems("not_found", "expired", "validation_error", "unavailable"),
    }
}
FOLLOW_EDIT: dict[str, Any] = {
    "responses": {
        200: {
            "description": "Server-sent events, each with an `id`, from the edit's acceptance to "
            "`done`, after which the answer ends. `data` is JSON; `x-event-data` names its schema "
            "for each kind of event. Comments come where nothing happens for 5 seconds. A client "
            f"that was cut off comes back after {RETRY_MS} ms with `Last-Event-ID` and gets what "
            "it missed; where that is kept no longer, it begins with a `status` event of the edit "
            "as it is.",
            "content": {
                "text/event-stream": {
                    "schema": {"type": "string"},
                    "example": EVENT_LINES,
                    "x-event-data": {
                        name: {"$ref": _REF.format(model=model.__name__)}
                        for name, model in EVENTS.items()
                    },
                }
            },
        },
        204: {"description": "`Last-Event-ID` is that of `done`: nothing follows"},
        **_problems("not_found", "expired", "validation_error", "unavailable"),
    }
}
DELETE_EDIT: dict[str, Any] = {
    "responses": {
        204: {"description": "Record, pictures and artifacts are gone"},
        **_problems("not_found", "expired", "validation_error", "unavailable"),
    }
}
CANCEL_EDIT: dict[str, Any] = {
    "responses": {
        200: _example({**QUEUED, "status": "canceled", "queue_position": None}, "The edit"),
        **_problems("not_found", "expired", "validation_error", "unavailable"),
    }
}
_BYTES = {f"image/{form}": {"schema": _IMAGE} for form in ("png", "webp", "jpeg")}
GET_IMAGE: dict[str, Any] = {
    "responses": {
        200: {"description": "The picture", "content": _BYTES},
        **_problems("not_found", "expired", "not_finished", "validation_error", "unavailable"),
    }
}
GET_FILE: dict[str, Any] = {
    "responses": {
        200: {"description": "The picture", "content": _BYTES},
        **_problems("not_found", "validation_error", "unavailable"),
    }
}
_NO_STORE = {"Cache-Control": _header("it is kept nowhere", "no-store")}
GET_SECRET: dict[str, Any] = {
    "responses": {
        200: {**_example(SECRET, "The secret"), "headers": _NO_STORE},
        **_problems("unavailable"),
    }
}
ROTATE_SECRET: dict[str, Any] = {
    "responses": {
        200: {
            **_example({**SECRET, "previous_expires_at": "2026-01-06T09:30:00Z"}, "The new secret"),
            "headers": _NO_STORE,
        },
        **_problems("unavailable"),
    }
}
LIST_DELIVERIES: dict[str, Any] = {
    "responses": {
        200: _example({"data": [DELIVERY]}, "The deliveries"),
        **_problems("not_found", "expired", "validation_error", "unavailable"),
    }
}
_DUE = {"status": "pending", "next_attempt_at": "2026-01-05T09:40:00Z"}
REPLAY_DELIVERY: dict[str, Any] = {
    "responses": {
        202: _example({**DELIVERY, **_DUE}, "It is due now"),
        **_problems("not_found", "expired", "validation_error", "unavailable"),
    }
}
LIST_MODELS: dict[str, Any] = {
    "responses": {200: _example({"data": [MODEL]}, "The models"), **_problems("unavailable")}
}
HEALTH: dict[str, Any] = {"responses": {200: _example({"status": "ok"}, "It lives")}}
READY: dict[str, Any] = {
    "responses": {200: _example({"status": "ready"}, "Ready"), **_problems("unavailable")}
}
METRICS: dict[str, Any] = {
    "responses": {
        200: {
            "description": "Prometheus's text format",
            "content": {
                "text/plain": {
                    "schema": {"type": "string"},
                    "example": 'baret_queue_edits{model="zoo"} 2.0\n',
                }
            },
        },
        **_problems("unavailable"),
    }
}


def webhook(event: str) -> dict[str, Any]:
    """What is told of an event's webhook."""
    return {
        "tags": ["webhooks"],
        "status_code": 204,
        "responses": {
            204: {"description": "Taken. Any 2xx is; its body is not read"},
            410: {"description": "Never again: nothing more is sent of this edit"},
            "default": {
                "description": "Anything else, redirects and no answer within 15 s included: sent "
                "again later, not before `Retry-After`; progress is not"
            },
        },
        "openapi_extra": {
            "requestBody": {"content": {"application/json": {"example": HOOKS[event]}}}
        },
    }


def describe(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI 3.1 document of the application; built once."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title,
            version=app.version,
            description=DESCRIPTION,
            routes=app.routes,
            webhooks=app.webhooks.routes,
        )
        schemas = document["components"]["schemas"]
        for model in (CreateEditRequest, Problem):
            _add(schemas, model, "validation")
        for told in EVENTS.values():
            _add(schemas, told, "serialization")
        schemas["CreateEditRequest"]["properties"]["params"] = {
            "$ref": _REF.format(model=ParamsInput.__name__),
            "description": "parameters may stand here or beside it, none in both places",
        }
        schemas[ParamsInput.__name__] = ParamsInput.model_json_schema(ref_template=_REF)
        schemas[ParamsInput.__name__].pop("$defs", None)
        _tell_what_is_always_there(schemas)
        _complete_examples(document, schemas)
        for operations in document["paths"].values():
            for operation in operations.values():
                if "security" in operation:
                    _with_keys(operation)
        app.openapi_schema = document
    return app.openapi_schema


def _with_keys(operation: dict[str, Any]) -> None:
    """What keys bring to an operation that asks for one."""
    operation["security"].append({})  # a service without any key asks for none
    answers = operation["responses"]
    for status, answer in _problems("unauthenticated", "forbidden", "rate_limited").items():
        answers.setdefault(str(status), answer)
    for status, answer in answers.items():
        if status != str(HTTPStatus.UNAUTHORIZED):
            answer["headers"] = {**answer.get("headers", {}), **_RATE}


def _tell_what_is_always_there(schemas: dict[str, Any]) -> None:
    """What pydantic cannot know: fields with a default are left out of questions only."""
    asked = {CreateEditRequest.__name__, ImageInput.__name__, ParamsInput.__name__}
    for name in schemas.keys() - asked - _LEFT_OUT.keys():
        if "properties" in schemas[name]:
            schemas[name]["required"] = list(schemas[name]["properties"])
    for name, fields in _LEFT_OUT.items():
        properties = schemas[name]["properties"]
        schemas[name]["required"] = [field for field in properties if field not in fields]
        for field in fields:  # left out, never null
            kind, _ = properties[field].pop("anyOf")
            properties[field].update(kind)
            properties[field].pop("default", None)
    codes = ", ".join(f"`{code}`" for code in sorted({*BY_CODE, *EDIT_PROBLEMS}))
    schemas[Problem.__name__]["properties"]["code"]["description"] = f"{codes}; more may come"
    schemas[Edit.__name__]["properties"]["error"] = {
        "anyOf": [{"$ref": _REF.format(model=Problem.__name__)}, {"type": "null"}],
        "description": "of a failed edit: a problem without `instance`",
    }


def _complete_examples(node: Any, schemas: dict[str, Any]) -> None:
    """Put the nulls back into the examples: FastAPI drops them from its whole document."""
    if isinstance(node, dict):
        if "example" in node and "schema" in node:
            node["example"] = _complete(node["example"], node["schema"], schemas)
        for part in node.values():
            _complete_examples(part, schemas)


def _complete(value: Any, schema: dict[str, Any], schemas: dict[str, Any]) -> Any:
    if "$ref" in schema:
        schema = schemas[schema["$ref"].removeprefix(_REF.format(model=""))]
    if "anyOf" in schema:
        return None if value is None else _complete(value, schema["anyOf"][0], schemas)
    if isinstance(value, list) and "items" in schema:
        return [_complete(part, schema["items"], schemas) for part in value]
    if not isinstance(value, dict) or "properties" not in schema:
        return value
    return {
        name: _complete(value.get(name), kind, schemas)
        for name, kind in schema["properties"].items()
        if name in value or name in schema.get("required", ())
    }


def _add(
    schemas: dict[str, Any], model: type[BaseModel], mode: Literal["validation", "serialization"]
) -> None:
    """Add a model that no route names, and what it refers to."""
    schema = model.model_json_schema(ref_template=_REF, mode=mode)
    for name, part in schema.pop("$defs", {}).items():
        schemas.setdefault(name, part)
    schemas[model.__name__] = schema
