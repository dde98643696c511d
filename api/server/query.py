"""Query parameters that an operation does not have, or has once; addresses with one spelling."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from fastapi import Request

from api.problems.errors import ValidationFailed
from api.problems.field_errors import GIVEN_TWICE, UNKNOWN, pointer
from core.schema import FieldError


def check_query(request: Request) -> None:
    """Refuse query parameters that would be ignored: a misspelt one must not be lost silently.

    Raises:
        ValidationFailed: it names each of them.
    """
    route = request.scope["route"]
    if not request.query_params or not route.path.startswith("/v1/"):
        return
    single = set(_names(route.dependant))
    extra = (route.openapi_extra or {}).get("parameters", ())  # those that FastAPI cannot declare
    maps = tuple(f"{one['name']}[" for one in extra if one.get("style") == "deepObject")
    details = {}
    for name, count in Counter(name for name, _ in request.query_params.multi_items()).items():
        if name not in single and not (maps and name.startswith(maps)):
            details[name] = UNKNOWN
        elif name in single and count > 1:
            details[name] = GIVEN_TWICE
    if details:
        errors = [FieldError(pointer=pointer([one]), detail=text) for one, text in details.items()]
        raise ValidationFailed(errors)


def is_spelled(request: Request, target: str) -> bool:
    """Return whether a request's path below the root, and its query, are exactly these characters.

    A signed address has one spelling: with others, percent-encoded or in another order, a cache or
    a log would take one address for several.
    """
    scope = request.scope
    sent = scope["raw_path"] + b"?" + scope["query_string"]
    expected = f"{scope['root_path']}{target}"
    return bool(sent == expected.encode(errors="replace"))


def _names(dependant: Any) -> Iterator[str]:
    """Yield the query parameters of a route's function and of all that it depends on."""
    for parameter in dependant.query_params:
        yield parameter.alias
    for inner in dependant.dependencies:
        yield from _names(inner)
