"""Every error as RFC 9457 problem details, by the table in `api.problems.types`.

Addresses in the shape of OpenAI's API answer in its form instead.
"""

from http import HTTPStatus
from typing import cast

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.routing import Match

from api.problems import openai_errors
from api.problems.errors import ApiError, FieldProblem, ValidationFailed
from api.problems.field_errors import query_errors
from api.problems.types import FRAMEWORK_PROBLEM_TYPES, INVALID_REQUEST, PROBLEM_TYPES, ProblemType
from core.errors import CoreError
from core.problems import make_problem
from core.schema import FieldError, Problem
from core.telemetry.redaction import redacted

MEDIA_TYPE = "application/problem+json"
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def problem_response(
    request: Request,
    problem_type: ProblemType,
    detail: str,
    *,
    errors: list[FieldError] | None = None,
    headers: dict[str, str] | None = None,
    retry_after: int | None = None,
) -> JSONResponse:
    """Return a problem as an answer; `retry_after` overrides the type's own."""
    root: str = request.app.state.root
    problem = make_problem(
        problem_type.code,
        problem_type.title,
        status=problem_type.status,
        detail=detail,
        prefix=root,
    )
    problem.instance = request.scope.get("raw_path", b"").decode("ascii", "replace")
    problem.errors = errors
    seconds = retry_after or problem_type.retry_after
    retry = {} if seconds is None else {"Retry-After": str(seconds)}
    headers = {**problem_type.headers, **(headers or {}), **retry}
    if request.scope["path"].startswith(f"{root}{openai_errors.PREFIX}"):
        return openai_response(problem, headers=headers)
    content = problem.model_dump(exclude_none=True)
    # A field's name may be an API key, put there by mistake.
    return JSONResponse(redacted(content), problem.status, headers, media_type=MEDIA_TYPE)


def openai_response(problem: Problem, *, headers: dict[str, str] | None = None) -> JSONResponse:
    """Return a problem as an answer in OpenAI's form."""
    content = openai_errors.openai_error(problem).model_dump()
    return JSONResponse(redacted(content), problem.status, headers)


def problem_type_of(error: Exception) -> tuple[ProblemType, str]:
    """Return the type of one of our own errors, by the table, and what it says."""
    # A FieldProblem wraps an error and says which field caused it.
    cause = error.error if isinstance(error, FieldProblem) else error
    kind = next(PROBLEM_TYPES[cls] for cls in type(cause).__mro__ if cls in PROBLEM_TYPES)
    return kind, str(cause)


def problem_of(error: Exception, *, prefix: str) -> Problem:
    """Return one of our own errors as a problem, for a line of a batch.

    `prefix` is the path of the service's public address.
    """
    kind, detail = problem_type_of(error)
    problem = make_problem(kind.code, kind.title, status=kind.status, detail=detail, prefix=prefix)
    problem.errors = getattr(error, "errors", None)
    return problem


def expected_response(request: Request, error: Exception) -> JSONResponse:
    """Answer one of our own errors, by the table."""
    problem_type, detail = problem_type_of(error)
    return problem_response(
        request,
        problem_type,
        detail,
        errors=getattr(error, "errors", None),
        retry_after=getattr(error, "retry_after", None),
    )


# Async: plain functions would wait for a thread, behind everything that waits for Redis.
async def _expected(request: Request, error: Exception) -> JSONResponse:
    return expected_response(request, error)


async def _bad_query(request: Request, error: Exception) -> JSONResponse:
    """Answer query parameters that FastAPI refused; `api.submission.parsing` reads bodies."""
    errors = query_errors(cast(RequestValidationError, error))
    return expected_response(request, ValidationFailed(errors))


async def _framework(request: Request, error: Exception) -> JSONResponse:
    """Answer what the router or the multipart parser refused."""
    refusal = cast(HTTPException, error)
    problem_type = FRAMEWORK_PROBLEM_TYPES.get(refusal.status_code, INVALID_REQUEST)
    # The parser's own words help; the router's ("Not Found") say nothing.
    says_nothing = refusal.detail == HTTPStatus(refusal.status_code).phrase
    detail = problem_type.help if says_nothing else refusal.detail
    headers = dict(refusal.headers or {})
    if "Allow" in headers:
        headers["Allow"] = _allowed(request)
    return problem_response(request, problem_type, detail, headers=headers)


def _allowed(request: Request) -> str:
    """Return all methods of an address; the router names only those of its first route."""

    def is_allowed(method: str) -> bool:
        scope = {**request.scope, "method": method}
        return any(route.matches(scope)[0] is Match.FULL for route in request.app.routes)

    methods = [method for method in METHODS if is_allowed(method)]
    if methods[:1] == ["GET"]:
        methods.insert(1, "HEAD")  # `api.server.middleware` answers it
    return ", ".join(methods)


def install_problem_handlers(app: FastAPI) -> None:
    """Answer every expected error as a problem; `api.server.middleware` answers the others."""
    app.add_exception_handler(ApiError, _expected)
    app.add_exception_handler(CoreError, _expected)
    app.add_exception_handler(RequestValidationError, _bad_query)
    app.add_exception_handler(HTTPException, _framework)
