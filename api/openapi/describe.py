"""The OpenAPI document: helpers for what each route says of itself, and how it is put together."""

from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Any, Literal

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic import BaseModel

from api.openapi.descriptions import describe_all
from api.problems import openai_errors
from api.problems.handlers import MEDIA_TYPE
from api.problems.types import BY_CODE
from api.server.headers import RATE_LIMIT, RATE_LIMIT_POLICY
from core.problems import EDIT_PROBLEMS, make_problem
from core.schema import Batch, BatchResult, Edit, Problem

DESCRIPTION = (
    "Edit a photo with a sentence: send an image and the text that should describe it afterwards, "
    "follow the edit, download the result. Errors are problem details (RFC 9457)."
)

# Fields of answers and webhooks that are left out when they would be empty.
_LEFT_OUT = {
    "Problem": ("instance", "errors"),
    "WebhookBody": ("omitted",),
    "BatchWebhookBody": ("omitted",),
    "OpenAIImage": ("b64_json", "url"),
    "ImageEvent": ("partial_image_index", "usage"),
}

REF = "#/components/schemas/{model}"

BINARY = {"type": "string", "format": "binary"}
# As bytes of no kind for callers who accept nothing else, such as generated clients.
IMAGE_CONTENT = {
    media_type: {"schema": BINARY}
    for media_type in ("image/png", "image/webp", "image/jpeg", "application/octet-stream")
}

# The problems of every operation on one edit.
ONE_EDIT = ("not_found", "expired", "validation_error", "unavailable")


def ref(model: type[BaseModel]) -> dict[str, str]:
    """Return a reference to a model's schema."""
    return {"$ref": REF.format(model=model.__name__)}


def example(value: Any, description: str) -> dict[str, Any]:
    """Return a JSON answer with an example."""
    return {"description": description, "content": {"application/json": {"example": value}}}


def header(description: str, value: str | int) -> dict[str, Any]:
    """Return a header of an answer, with an example value."""
    kind = "integer" if isinstance(value, int) else "string"
    return {"description": description, "schema": {"type": kind}, "example": value}


def problems(*codes: str, openai: bool = False) -> dict[int | str, dict[str, Any]]:
    """Return an operation's answers that are problems, by status; one may have several codes.

    With `openai` they are in the form of OpenAI's API.
    """
    media_type = openai_errors.MEDIA_TYPE if openai else MEDIA_TYPE
    answers: dict[int | str, dict[str, Any]] = {}
    for problem_type in (BY_CODE[code] for code in (*codes, "internal_error")):
        code, status = problem_type.code, problem_type.status
        answer = answers.setdefault(status, {"description": "", "content": {media_type: {}}})
        answer["description"] = f"{answer['description']}, `{code}`".removeprefix(", ")
        media = answer["content"][media_type]
        media["schema"] = ref(openai_errors.OpenAIErrorBody if openai else Problem)
        problem = make_problem(code, problem_type.title, status=status, detail=problem_type.help)
        shown = openai_errors.openai_error(problem) if openai else problem
        value = shown.model_dump(exclude_none=not openai)
        media.setdefault("examples", {})[code] = {"value": value}
        headers = answer.setdefault("headers", {})
        headers.update({name: header("", value) for name, value in problem_type.headers.items()})
        if problem_type.retry_after is not None:
            headers["Retry-After"] = header("seconds", problem_type.retry_after)
    return answers


def operation_id(route: APIRoute) -> str:
    """Return the name of an operation in generated clients: `create_edit` is `createEdit`."""
    first, *rest = route.name.split("_")
    return first + "".join(map(str.capitalize, rest))


def describe(
    app: FastAPI,
    *,
    request: type[BaseModel],
    params: type[BaseModel],
    bodies: Sequence[type[BaseModel]],
    events: Iterable[type[BaseModel]],
    server: str = "",
) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of the application; it is built once.

    Args:
        app: the application.
        request: the body of a POST, which its route reads itself.
        params: what the request's `params` holds.
        bodies: of other operations that read theirs themselves.
        events: the data of server-sent events.
        server: the public address, if one is set.
    """
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title,
            version=app.version,
            description=DESCRIPTION,
            routes=app.routes,
            webhooks=app.webhooks.routes,
            servers=[{"url": server}] if server else None,
        )
        schemas = document["components"]["schemas"]
        read_by_routes: list[type[BaseModel]] = [request, params, *bodies]
        for model in read_by_routes:
            _add(schemas, model, "validation")
        _add(schemas, Problem, "validation")
        _add(schemas, openai_errors.OpenAIErrorBody, "validation")
        for event in events:
            _add(schemas, event, "serialization")
        schemas[request.__name__]["properties"]["params"] = ref(params) | {
            "description": "parameters may be here or among the other fields, not in both places"
        }
        _require_what_is_always_there(schemas, read_by_routes)
        for model in read_by_routes:
            _allow_null(schemas[model.__name__])
        _complete_examples(document, schemas)
        describe_all(document)
        for operations in document["paths"].values():
            for operation in operations.values():
                if "security" in operation:
                    _add_key_answers(operation)
        app.openapi_schema = document
    return app.openapi_schema


def _add_key_answers(operation: dict[str, Any]) -> None:
    """Add the answers and headers of an operation that requires a key."""
    rate = {  # on every answer to a request with a key
        RATE_LIMIT_POLICY: header(
            "the key's quota of requests and its window in seconds "
            "(draft-ietf-httpapi-ratelimit-headers-11)",
            '"requests";q=600;w=60',
        ),
        RATE_LIMIT: header(
            "requests left, and the seconds until there are more", '"requests";r=599;t=60'
        ),
    }
    operation["security"].append({})  # a service without keys requires none
    answers = operation["responses"]
    for status, answer in problems("unauthenticated", "forbidden", "rate_limited").items():
        answers.setdefault(str(status), answer)
    for status, answer in answers.items():
        if status != str(HTTPStatus.UNAUTHORIZED):
            answer["headers"] = {**answer.get("headers", {}), **rate}


_BESIDE_TYPE = ("default", "description", "examples", "title")


def _allow_null(schema: dict[str, Any]) -> None:
    """Let the fields that a request may leave out be null as well."""
    for name, field in schema["properties"].items():
        branches = field.get("anyOf", ())
        if name in schema.get("required", ()) or {"type": "null"} in branches:
            continue
        kind = {key: value for key, value in field.items() if key not in _BESIDE_TYPE}
        beside = {key: value for key, value in field.items() if key in _BESIDE_TYPE}
        schema["properties"][name] = {
            "anyOf": [*(branches or [kind]), {"type": "null"}],
            **beside,
        }


def without_null(field: dict[str, Any]) -> dict[str, Any]:
    """Return a field's schema for a form, which has no null."""
    branches = [one for one in field.get("anyOf", ()) if one != {"type": "null"}]
    beside = {
        key: value
        for key, value in field.items()
        if key != "anyOf" and (key, value) != ("default", None)
    }
    if len(branches) == 1:
        return {**branches[0], **beside}
    return {"anyOf": branches, **beside} if branches else beside


def _require_what_is_always_there(
    schemas: dict[str, Any], requests: Sequence[type[BaseModel]]
) -> None:
    """Mark fields with a default as required in answers: only requests leave them out."""
    in_requests = {
        name
        for model in requests
        for name in (model.__name__, *model.model_json_schema().get("$defs", {}))
    }
    for name in schemas.keys() - in_requests - _LEFT_OUT.keys():
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
    schemas[Problem.__name__]["properties"]["code"]["description"] = f"{codes}; more may follow"
    for model, field, text in (
        (Edit, "error", "why the edit failed: a problem without `instance`"),
        (Batch, "blocked", "why its next edit cannot be queued now; null if it can"),
        (BatchResult, "error", "why there is no image; null if the edit succeeded"),
    ):
        kind = {"anyOf": [ref(Problem), {"type": "null"}], "description": text}
        schemas[model.__name__]["properties"][field] = kind


def _complete_examples(node: Any, schemas: dict[str, Any]) -> None:
    """Put the nulls back into the examples; FastAPI drops them from its whole document."""
    if isinstance(node, dict):
        if "example" in node and "schema" in node:
            node["example"] = _complete(node["example"], node["schema"], schemas)
        if isinstance(node.get("examples"), dict) and "schema" in node:
            for one in node["examples"].values():
                one["value"] = _complete(one["value"], node["schema"], schemas)
        for part in node.values():
            _complete_examples(part, schemas)


def _complete(value: Any, schema: dict[str, Any], schemas: dict[str, Any]) -> Any:
    if "$ref" in schema:
        schema = schemas[schema["$ref"].removeprefix(REF.format(model=""))]
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
    """Add the schema of a model that no route names, and of the models that it refers to."""
    schema = model.model_json_schema(ref_template=REF, mode=mode)
    for name, part in schema.pop("$defs", {}).items():
        schemas.setdefault(name, part)
    schemas[model.__name__] = schema
