"""Query parameters that an operation does not have: none is ignored."""

from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient
from httpx import Response

from tests.support.problems import UNKNOWN_EDIT, assert_problem

EDIT = f"/v1/edits/{UNKNOWN_EDIT}"


@pytest.mark.parametrize(
    ("method", "path", "pointers"),
    [
        ("GET", "/v1/edits?page=2", ["/page"]),
        ("GET", "/v1/edits?offset=20&per_page=5", ["/offset", "/per_page"]),
        ("GET", "/v1/edits?Limit=5", ["/Limit"]),
        ("GET", "/v1/edits?limit=5&limit=6", ["/limit"]),
        ("GET", "/v1/edits?status=queued&status=failed", ["/status"]),
        ("GET", "/v1/edits?metadata=a", ["/metadata"]),
        ("GET", "/v1/edits?metadata.a=b", ["/metadata.a"]),
        ("GET", "/v1/edits?filter[status]=queued", ["/filter[status]"]),
        ("GET", "/v1/edits?created_after=2026-01-01", ["/created_after"]),
        ("GET", "/v1/edits?_=1767605400", ["/_"]),
        ("HEAD", "/v1/edits?page=2", None),
        ("GET", f"{EDIT}?wiat=5", ["/wiat"]),
        ("GET", f"{EDIT}?wait=5&wait=6", ["/wait"]),
        ("GET", f"{EDIT}/image?fmt=png", ["/fmt"]),
        ("GET", f"{EDIT}/events?lastEventId=1-0", ["/lastEventId"]),
        ("GET", f"{EDIT}/deliveries?limit=5", ["/limit"]),
        ("POST", f"{EDIT}/cancel?wait=5", ["/wait"]),
        ("DELETE", f"{EDIT}?force=true", ["/force"]),
        ("POST", "/v1/edits?seed=5", ["/seed"]),
        ("GET", "/v1/models?page=2", ["/page"]),
        ("GET", "/v1/webhooks/secret?x", ["/x"]),
    ],
)
def test_an_unknown_query_parameter_is_named(
    client: TestClient, method: str, path: str, pointers: list[str] | None
) -> None:
    answer = client.request(method, path)
    if pointers is None:
        assert answer.status_code == 422
        return
    problem = assert_problem(answer, 422, "validation_error")
    assert [error["pointer"] for error in problem["errors"]] == pointers


@pytest.mark.parametrize(
    "path",
    [
        "/v1/edits?limit=5&status=queued&metadata[a]=b&metadata[c]=d",
        "/v1/edits?",
        "/v1/edits?metadata%5Ba%5D=b",
        "/metrics?x=1",
        "/healthz?x=1",
        "/openapi.json?x=1",
        "/?utm_source=x",
    ],
)
def test_a_known_parameter_or_a_page_is_served(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 200


def test_the_key_comes_before_the_query(
    client: TestClient, make_key: Callable[..., tuple[dict[str, str], Any]]
) -> None:
    headers, _ = make_key()
    assert_problem(client.get("/v1/edits?page=2"), 401, "unauthenticated")
    assert_problem(client.get("/v1/edits?page=2", headers=headers), 422, "validation_error")


def test_a_signed_address_with_anything_added_is_another_address(
    client: TestClient, post: Callable[..., Response], finish: Callable[..., object]
) -> None:
    edit_id = post().json()["id"]
    finish()
    url = client.get(f"/v1/edits/{edit_id}").json()["outputs"][0]["url"]
    assert_problem(client.get(f"{url}&utm_source=mail"), 404, "not_found")
    assert client.get(url).status_code == 200
