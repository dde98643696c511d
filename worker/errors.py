"""Exceptions as the public `error` of a failed edit, which reveals nothing internal."""

from typing import Any

from baret.errors import ContentRejected, ImageError, NotFinite, OutOfMemory
from core.errors import DecoderUnavailable, InputImageError, StoreUnavailable
from core.problems import MODEL_ERROR, edit_problem


class EditTimeout(Exception):
    """The edit ran longer than allowed."""


_CODES: dict[type[Exception], str] = {
    OutOfMemory: "out_of_memory",
    EditTimeout: "timeout",
    ContentRejected: "content_rejected",
}


def problem_of(error: Exception) -> dict[str, Any]:
    """Return the problem object of a failed edit."""
    detail = None
    if isinstance(error, (ImageError, InputImageError)):
        detail = f"The image: {error}"
    elif isinstance(error, NotFinite):
        detail = f"{error} Tell the operator of the service."
    elif isinstance(error, (StoreUnavailable, DecoderUnavailable)):
        detail = f"{error} The edit waited as long as allowed. Try again later."
    problem = edit_problem(_CODES.get(type(error), MODEL_ERROR), detail)
    return problem.model_dump(exclude_none=True)
