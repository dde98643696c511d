"""What caches may keep of answers: nothing that needs a key."""

from collections.abc import Callable
from typing import Any

from fastapi.testclient import TestClient
from httpx import Response

from tests.support.operations import KEYED_OPERATIONS

MakeKey = Callable[..., tuple[dict[str, str], Any]]


def check_private(answer: Response) -> None:
    control = answer.headers["cache-control"]
    assert control in ("private, no-cache", "no-store"), (answer.request.url, control)
    vary = [name.strip().lower() for name in answer.headers["vary"].split(",")]
    assert vary.count("authorization") == 1


def test_no_shared_cache_may_keep_what_needs_a_key(
    client: TestClient,
    post: Callable[..., Response],
    finish: Callable[..., Any],
    make_key: MakeKey,
) -> None:
    headers, _ = make_key(metrics=True)
    for method, path in (*KEYED_OPERATIONS, ("GET", "/metrics")):
        check_private(client.request(method, path))  # refused
        check_private(client.request(method, path, headers=headers))
    made = post(headers=headers)
    check_private(made)
    finish()
    url = f"/v1/edits/{made.json()['id']}"
    for own in (url, f"{url}/image?format=webp", f"{url}/events", f"{url}/deliveries"):
        answer = client.get(own, headers={**headers, "Origin": "https://app.example"})
        assert answer.status_code == 200
        check_private(answer)
        check_private(client.head(own, headers=headers))
    tag = client.get(url, headers=headers).headers["etag"]
    unchanged = client.get(url, headers={**headers, "If-None-Match": tag})
    assert unchanged.status_code == 304
    check_private(unchanged)


def test_what_needs_no_key_does_not_vary_with_it(
    client: TestClient, post: Callable[..., Response], finish: Callable[..., Any]
) -> None:
    edit_id = post().json()["id"]
    finish()
    image = client.get(f"/v1/edits/{edit_id}").json()["outputs"][0]["url"]
    for path in (image, "/healthz", "/", "/openapi.json"):
        assert "authorization" not in client.get(path).headers.get("vary", "").lower(), path
    assert client.get(image).headers["cache-control"].startswith("private, max-age=")
