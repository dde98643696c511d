"""Query parameters that an operation does not have, or has once."""

from collections import Counter

from fastapi import Request

from api.problems.errors import ValidationFailed
from api.problems.field_errors import GIVEN_TWICE, UNKNOWN, pointer
from core.schema import FieldError


def check_query(request: Request) -> None:
    """Refuse query parameters that would be ignored: a misspelt one must not be lost silently.

    The OpenAPI document says which an operation has.

    Raises:
        ValidationFailed: it names each of them.
    """
    path, method = request.scope["route"].path, request.method.lower()
    if not path.startswith("/v1/"):
        return
    operation = request.app.openapi()["paths"].get(path, {}).get(method, {})
    declared = [one for one in operation.get("parameters", ()) if one["in"] == "query"]
    single = {one["name"] for one in declared if one.get("style") != "deepObject"}
    maps = tuple(f"{one['name']}[" for one in declared if one["name"] not in single)
    details = {}
    for name, count in Counter(name for name, _ in request.query_params.multi_items()).items():
        if name not in single and not (maps and name.startswith(maps)):
            details[name] = UNKNOWN
        elif name in single and count > 1:
            details[name] = GIVEN_TWICE
    if details:
        errors = [FieldError(pointer=pointer([one]), detail=text) for one, text in details.items()]
        raise ValidationFailed(errors)
