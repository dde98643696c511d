"""Every error as RFC 9457 problem details, by the table in `api.problems.types`."""

from http import HTTPStatus
from typing import cast

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.routing import Match

from api.problems.errors import ApiError, FieldProblem, ValidationFailed
from api.problems.field_errors import query_errors
from api.problems.types import FRAMEWORK_PROBLEM_TYPES, INVALID_REQUEST, PROBLEM_TYPES, ProblemType
from core.errors import JobsError
from core.problems import make_problem
from core.schema import FieldError
from core.telemetry.redaction import redacted

MEDIA_TYPE = "application/problem+json"
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def problem_response(
    request: Request,
    kind: ProblemType,
    detail: str,
    *,
    errors: list[FieldError] | None = None,
    headers: dict[str, str] | None = None,
    retry_after: int | None = None,
) -> JSONResponse:
    """The answer that tells a problem; `retry_after` takes the place of the kind's own."""
    problem = make_problem(kind.code, kind.title, status=kind.status, detail=detail)
    problem.instance = request.scope.get("raw_path", b"").decode("ascii", "replace")
    problem.errors = errors
    told = problem.model_dump(exclude_none=True)
    seconds = retry_after or kind.retry_after
    retry = {} if seconds is None else {"Retry-After": str(seconds)}
    return JSONResponse(
        redacted(told),  # names of fields are the caller's, who may have mistaken a key for one
        kind.status,
        headers={**kind.headers, **(headers or {}), **retry},
        media_type=MEDIA_TYPE,
    )


def _expected(request: Request, error: Exception) -> JSONResponse:
    """Our own errors, by the table."""
    errors = getattr(error, "errors", None)
    retry_after = getattr(error, "retry_after", None)
    told = error.error if isinstance(error, FieldProblem) else error
    kind = next(PROBLEM_TYPES[cls] for cls in type(told).__mro__ if cls in PROBLEM_TYPES)
    return problem_response(request, kind, str(told), errors=errors, retry_after=retry_after)


def _bad_query(request: Request, error: Exception) -> JSONResponse:
    """Query parameters that FastAPI refused; bodies are read by `api.submission.accept`."""
    errors = query_errors(cast(RequestValidationError, error))
    return _expected(request, ValidationFailed(errors))


def _framework(request: Request, error: Exception) -> JSONResponse:
    """What the router and the multipart parser refuse."""
    told = cast(HTTPException, error)
    kind = FRAMEWORK_PROBLEM_TYPES.get(told.status_code, INVALID_REQUEST)
    # The parser's own words help; the router's ("Not Found") say nothing.
    detail = kind.help if told.detail == HTTPStatus(told.status_code).phrase else told.detail
    headers = dict(told.headers or {})
    if "Allow" in headers:
        headers["Allow"] = _allowed(request)
    return problem_response(request, kind, detail, headers=headers)


def _allowed(request: Request) -> str:
    """The methods of an address. The router names only those of the first route that has it."""

    def knows(method: str) -> bool:
        scope = {**request.scope, "method": method}
        return any(route.matches(scope)[0] is Match.FULL for route in request.app.routes)

    return ", ".join(method for method in METHODS if knows(method))


def install_problem_handlers(app: FastAPI) -> None:
    """Answer every expected error as a problem. Unexpected ones: `api.server.middleware`."""
    app.add_exception_handler(ApiError, _expected)
    app.add_exception_handler(JobsError, _expected)
    app.add_exception_handler(RequestValidationError, _bad_query)
    app.add_exception_handler(HTTPException, _framework)
