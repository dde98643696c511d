"""Assertions on problems (RFC 9457) in answers."""

from typing import Any

from httpx import Response

UNKNOWN_EDIT = "edit_" + "0" * 32


def assert_problem(answer: Response, status: int, code: str) -> dict[str, Any]:
    """Assert that an answer is this complete problem, without internals, and return it."""
    problem: dict[str, Any] = answer.json()
    assert (answer.status_code, problem["code"]) == (status, code), problem
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["status"] == status
    assert problem["type"] == f"/docs/problems/{code}"
    assert problem["title"]
    assert problem["detail"]
    assert problem["instance"] == answer.request.url.raw_path.decode().partition("?")[0]
    may_retry = status in (429, 503) or code == "idempotency_in_progress"
    assert ("retry-after" in answer.headers) == may_retry
    for internal in ("Traceback", "/tmp", "redis://", "site-packages", 'File "', "127.0.0.1"):
        assert internal not in answer.text
    return problem
