"""Answers that are problems, checked as a whole."""

from typing import Any

from httpx import Response

UNKNOWN = "edit_" + "0" * 32


def told(answer: Response, status: int, code: str) -> dict[str, Any]:
    """The problem that an answer tells, which must be this one and whole."""
    problem: dict[str, Any] = answer.json()
    assert (answer.status_code, problem["code"]) == (status, code), problem
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["status"] == status
    assert problem["type"] == f"/docs/problems/{code}"
    assert problem["title"]
    assert problem["detail"]
    assert problem["instance"] == answer.request.url.raw_path.decode().partition("?")[0]
    passes = status in (429, 503) or code == "idempotency_in_progress"
    assert ("retry-after" in answer.headers) == passes
    for inside in ("Traceback", "/tmp", "redis://", "site-packages", 'File "', "127.0.0.1"):
        assert inside not in answer.text
    return problem
