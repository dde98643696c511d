"""What went wrong in an edit, as its public `error`: one table, nothing of the inside."""

from typing import Any

from baret.errors import ContentRejected, ImageError, OutOfMemory
from jobs.problems import make_problem


class EditTimeout(Exception):
    """The edit ran longer than it may."""


def problem_of(error: Exception) -> dict[str, Any]:
    """The problem object of a failed edit."""
    if isinstance(error, OutOfMemory):
        problem = make_problem(
            "out_of_memory",
            "Out of memory",
            status=503,
            detail="The worker's device has no room for this edit. Ask for fewer outputs or "
            "try again later.",
        )
    elif isinstance(error, EditTimeout):
        problem = make_problem(
            "timeout", "Timed out", status=504, detail="The edit ran longer than it may."
        )
    elif isinstance(error, ContentRejected):
        problem = make_problem(
            "content_rejected",
            "The content check refused the result",
            status=422,
            detail="The model's own content check refused what this edit shows; no picture was "
            "kept. Change the prompt or the picture.",
        )
    elif isinstance(error, ImageError):
        problem = make_problem(
            "model_error", "The edit failed", status=500, detail=f"The picture: {error}"
        )
    else:
        problem = make_problem(
            "model_error",
            "The edit failed",
            status=500,
            detail="The model could not finish this edit. Try again; if it fails again, "
            "tell the operator the edit's id.",
        )
    return problem.model_dump(exclude_none=True)
