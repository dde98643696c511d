"""Problem details (RFC 9457), as error responses and failed edits carry them."""

from pydantic import BaseModel, Field

from core.schema.base import Strict


class FieldError(Strict):
    """One thing wrong with a request."""

    pointer: str = Field(description="JSON pointer (RFC 6901) into the request body")
    detail: str


class Problem(BaseModel):
    """RFC 9457 problem details."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    instance: str | None = None
    errors: list[FieldError] | None = None
