"""Pydantic's errors as JSON pointers into the request, in a caller's words."""

from collections.abc import Iterable
from typing import Any

from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from core.schema import FieldError

MAX_NAME_LENGTH = 512  # characters, as many as a key of metadata may have

UNKNOWN = "There is no such field."
GIVEN_TWICE = "Given more than once."

# Pydantic's own words for these name classes of Python, or are about types.
_WORDS = {
    "extra_forbidden": UNKNOWN,
    "missing": "This field is required.",
    "string_type": "Send text.",
    "list_type": "Send a list.",
    "dict_type": "Send an object.",
    "model_type": "Send an object.",
    "model_attributes_type": "Send an object.",
}

# Errors that say "not this branch of the union"; another branch's error is more to the point.
_WRONG_BRANCH = ("list_type", "float_type", "float_parsing")


def pointer(path: Iterable[str | int]) -> str:
    """Return a JSON pointer (RFC 6901), with names longer than any valid one cut short."""
    names = (str(step)[:MAX_NAME_LENGTH] for step in path)
    return "".join("/" + name.replace("~", "~0").replace("/", "~1") for name in names)


def body_errors(error: ValidationError, body: dict[str, Any], under: set[str]) -> list[FieldError]:
    """Return the errors of a body, at most one for each place.

    Args:
        error: what pydantic raised.
        body: what it validated.
        under: the fields of the body that the caller sent inside `params`.
    """
    errors: dict[str, FieldError] = {}
    details = sorted(error.errors(include_url=False), key=lambda e: e["type"] in _WRONG_BRANCH)
    reported_fields = set()
    for detail in details:
        field = detail["loc"][0] if detail["loc"] else ""
        if detail["type"] in _WRONG_BRANCH and field in reported_fields:
            continue
        reported_fields.add(field)
        path = _path_in(body, detail["loc"], absent=detail["type"] == "missing")
        place = pointer(["params", *path] if field in under else path)
        errors.setdefault(place, FieldError(pointer=place, detail=_words(detail)))
    return list(errors.values())


def query_errors(error: RequestValidationError) -> list[FieldError]:
    """Return the errors of query parameters; FastAPI's places begin with "query" or "path"."""
    return [
        FieldError(pointer=pointer(detail["loc"][1:]), detail=_words(detail))
        for detail in error.errors()
    ]


def _words(detail: Any) -> str:
    text: str = _WORDS.get(detail["type"], detail["msg"])
    return text.removeprefix("Value error, ")


def _path_in(body: Any, location: tuple[str | int, ...], *, absent: bool) -> list[str | int]:
    """Return the steps of a location that exist in the body; pydantic adds union branches."""
    path: list[str | int] = []
    for step in location:
        if isinstance(body, dict) and (step in body or absent):
            path.append(step)
            body = body.get(step)
        elif isinstance(body, list) and isinstance(step, int):
            path.append(step)
            body = body[step]
    return path
