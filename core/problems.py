"""Problem objects (RFC 9457), in answers and in failed edits alike."""

from dataclasses import dataclass

from core.schema import Problem


@dataclass(frozen=True)
class EditProblem:
    """Why an edit failed, in general."""

    title: str
    status: int  # the HTTP status that would go with it
    help: str  # what happened and what to do about it


MODEL_ERROR = "model_error"
WORKER_LOST = "worker_lost"

# By code: everything that a failed edit's `error` may say.
EDIT_PROBLEMS = {
    "out_of_memory": EditProblem(
        "Out of memory",
        503,
        "The worker's device has no room for this edit. Ask for fewer outputs or try again later.",
    ),
    MODEL_ERROR: EditProblem(
        "The edit failed",
        500,
        "The model could not finish this edit. Try again; if it fails again, tell the operator the "
        "edit's id.",
    ),
    "timeout": EditProblem("Timed out", 504, "The edit ran longer than it may."),
    WORKER_LOST: EditProblem(
        "The worker was lost",
        500,
        "The edit was tried as often as it may be, and its worker was lost each time.",
    ),
    "content_rejected": EditProblem(
        "The content check refused the result",
        422,
        "The model's own content check refused what this edit shows; no picture was kept. Change "
        "the prompt or the picture.",
    ),
}


def make_problem(code: str, title: str, *, status: int, detail: str) -> Problem:
    """A problem whose `type` is its page in the service's docs.

    Args:
        code: short and stable, for programs.
        title: the same for every problem of this code.
        status: the HTTP status that goes with it.
        detail: what happened this time and what to do about it; nothing of the inside.
    """
    return Problem(
        type=f"/docs/problems/{code}", title=title, status=status, detail=detail, code=code
    )


def edit_problem(code: str, detail: str | None = None) -> Problem:
    """Why an edit failed; without a detail, what is said of all of this code."""
    kind = EDIT_PROBLEMS[code]
    return make_problem(code, kind.title, status=kind.status, detail=detail or kind.help)
