"""Exceptions as the public `error` of a failed edit, which reveals nothing internal."""

import re
from typing import Any

from baret.errors import (
    AttentionLayoutError,
    ContentRejected,
    ImageError,
    ModelError,
    NotFinite,
    OutOfMemory,
)
from core.errors import DecoderUnavailable, InputImageError, StoreUnavailable
from core.problems import MODEL_ERROR, edit_problem

_FOLDERS = re.compile(r"(?<![\w.-])(?:~|\.{1,2})?/(?:[^\s/:'\"]+/)*(?=[^\s/])")  # of paths


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


def public_reason(error: Exception) -> str:
    """Return why a model could not be loaded, for callers: without folders of this machine."""
    if isinstance(error, OutOfMemory | MemoryError):
        return "The device has no room for it."
    if isinstance(error, ModelError | AttentionLayoutError):
        return _FOLDERS.sub("", str(error))
    return "The worker's log says why."
