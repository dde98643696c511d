"""Errors in the form of OpenAI's API, for the addresses that have its shape."""

from http import HTTPStatus

from pydantic import BaseModel, Field

from core.schema import Problem

MEDIA_TYPE = "application/json"
PREFIX = "/v1/images/"  # of the addresses below the root

_TYPES = {
    HTTPStatus.UNAUTHORIZED: "authentication_error",
    HTTPStatus.FORBIDDEN: "permission_error",
    HTTPStatus.TOO_MANY_REQUESTS: "rate_limit_error",
}


class OpenAIError(BaseModel):
    """What is wrong with a request."""

    message: str = Field(description="what to do about it")
    type: str = Field(
        description="`invalid_request_error`, `authentication_error`, `permission_error`, "
        "`rate_limit_error` or `server_error`"
    )
    param: str | None = Field(description="the field that is wrong; the first if there are several")
    code: str = Field(description="the code of the problem that other addresses answer")


class OpenAIErrorBody(BaseModel):
    """An error as clients of OpenAI's API read it."""

    error: OpenAIError


def openai_error(problem: Problem) -> OpenAIErrorBody:
    """Return a problem in OpenAI's form. The message names every field that is wrong."""
    fields = [(".".join(_steps(one.pointer)), one.detail) for one in problem.errors or ()]
    message = " ".join(f"{name}: {detail}" if name else detail for name, detail in fields)
    kind = "server_error" if problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR else None
    error = OpenAIError(
        message=message or problem.detail,
        type=kind or _TYPES.get(HTTPStatus(problem.status), "invalid_request_error"),
        param=fields[0][0] or None if fields else None,
        code=problem.code,
    )
    return OpenAIErrorBody(error=error)


def _steps(pointer: str) -> list[str]:
    return [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]
