"""Problem objects (RFC 9457), for error responses and failed edits."""

from dataclasses import dataclass

from core.schema import Problem


@dataclass(frozen=True)
class EditProblem:
    """A kind of reason why an edit failed."""

    title: str
    status: int  # the HTTP status that fits it
    help: str  # what happened and what to do about it


MODEL_ERROR = "model_error"
WORKER_LOST = "worker_lost"

# All codes that a failed edit's `error` can have.
EDIT_PROBLEMS = {
    "out_of_memory": EditProblem(
        "Out of memory",
        503,
        "The worker's device has too little memory for this edit. Request fewer outputs, or try "
        "again later.",
    ),
    MODEL_ERROR: EditProblem(
        "The edit failed",
        500,
        "The model could not finish this edit. Try again. If it fails again, give the edit's id to "
        "the operator.",
    ),
    "timeout": EditProblem("The edit timed out", 504, "The edit ran longer than the time limit."),
    WORKER_LOST: EditProblem(
        "The worker was lost",
        500,
        "The edit reached its maximum number of attempts. Each time, its worker was lost.",
    ),
    "content_rejected": EditProblem(
        "The content check rejected the result",
        422,
        "The model's content check rejected the result, and no image was stored. Change the prompt "
        "or the image.",
    ),
}


def make_problem(code: str, title: str, *, status: int, detail: str, prefix: str = "") -> Problem:
    """Return a problem whose `type` is its page in the service's docs.

    Args:
        code: short and stable, for programs.
        title: the same for every problem of this code.
        status: the HTTP status that fits it.
        detail: what happened this time and what to do; no internals.
        prefix: the path of the service's public address; empty if it has none.
    """
    return Problem(
        type=f"{prefix}/docs/problems/{code}", title=title, status=status, detail=detail, code=code
    )


def edit_problem(code: str, detail: str | None = None) -> Problem:
    """Return the problem of a failed edit; `detail` defaults to the general help of its code."""
    kind = EDIT_PROBLEMS[code]
    return make_problem(code, kind.title, status=kind.status, detail=detail or kind.help)
