"""Problem objects (RFC 9457), in answers and in failed edits alike."""

from jobs.schema import Problem


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
