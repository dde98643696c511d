"""Every operation on one edit, and what of its answers may depend on the edit's owner: nothing."""

from httpx import Response

# These belong to the request itself; everything else must reveal nothing.
OWN = ("x-request-id", "date", "ratelimit", "ratelimit-policy")

OPERATIONS = [
    ("GET", "/v1/edits/{id}", {}),
    ("GET", "/v1/edits/{id}?wait=1", {}),
    ("GET", "/v1/edits/{id}", {"If-None-Match": "*"}),
    ("HEAD", "/v1/edits/{id}", {}),
    ("GET", "/v1/edits/{id}/events", {}),
    ("GET", "/v1/edits/{id}/events", {"Last-Event-ID": "0-0"}),
    ("GET", "/v1/edits/{id}/image", {}),
    ("GET", "/v1/edits/{id}/image?format=webp&strength=0.7", {}),
    ("POST", "/v1/edits/{id}/cancel", {}),
    ("DELETE", "/v1/edits/{id}", {}),
    ("GET", "/v1/edits/{id}/deliveries", {}),
    ("POST", "/v1/edits/{id}/deliveries/msg_{bare}_succeeded/replay", {}),
    ("GET", "/v1/files/{id}/output-0.png?expires=99999999999&signature=00", {}),
    ("GET", "/v1/files/{id}/input", {}),
]


def told(answer: Response, edit_id: str) -> tuple[object, ...]:
    """Return everything in an answer, without the id that was requested."""
    headers = [(name, value) for name, value in answer.headers.items() if name not in OWN]
    bare = edit_id.removeprefix("edit_").encode()
    return answer.status_code, headers, answer.content.replace(bare, b"#")
