"""What pydantic found wrong, as JSON pointers into the request and words for a caller."""

from collections.abc import Iterable
from typing import Any

from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from core.schema import FieldError

MAX_OF_A_NAME = 512  # characters: those that metadata's names may have

_WORDS = {"extra_forbidden": "There is no such field.", "missing": "This field is required."}

# Errors that say "not this branch of the union"; another branch's error is more to the point.
_WRONG_BRANCH = ("list_type", "float_type", "float_parsing")


def pointer(path: Iterable[str | int]) -> str:
    """A JSON pointer (RFC 6901). Names that no request should have are cut short."""
    names = (str(step)[:MAX_OF_A_NAME] for step in path)
    return "".join("/" + name.replace("~", "~0").replace("/", "~1") for name in names)


def body_errors(error: ValidationError, body: dict[str, Any], under: set[str]) -> list[FieldError]:
    """The errors of a body.

    Args:
        error: what pydantic found.
        body: what it validated.
        under: the fields of the body that the caller sent inside `params`.
    """
    found: dict[str, FieldError] = {}
    details = sorted(error.errors(include_url=False), key=lambda e: e["type"] in _WRONG_BRANCH)
    fields_told = set()
    for detail in details:
        field = detail["loc"][0] if detail["loc"] else ""
        if detail["type"] in _WRONG_BRANCH and field in fields_told:
            continue
        fields_told.add(field)
        path = _path_in(body, detail["loc"], absent=detail["type"] == "missing")
        where = pointer(["params", *path] if field in under else path)
        found.setdefault(where, FieldError(pointer=where, detail=_words(detail)))
    return list(found.values())


def query_errors(error: RequestValidationError) -> list[FieldError]:
    """The errors of query parameters: FastAPI's places begin with "query" or "path"."""
    return [
        FieldError(pointer=pointer(detail["loc"][1:]), detail=_words(detail))
        for detail in error.errors()
    ]


def _words(detail: Any) -> str:
    text: str = _WORDS.get(detail["type"], detail["msg"])
    return text.removeprefix("Value error, ")


def _path_in(body: Any, location: tuple[str | int, ...], *, absent: bool) -> list[str | int]:
    """The part of a location that leads through the body: pydantic also names union branches."""
    path: list[str | int] = []
    for step in location:
        if isinstance(body, dict) and (step in body or absent):
            path.append(step)
            body = body.get(step)
        elif isinstance(body, list) and isinstance(step, int):
            path.append(step)
            body = body[step]
    return path
