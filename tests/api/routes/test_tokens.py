"""User tokens: what an app does with one in the place of its operator's key."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis
from fastapi.testclient import TestClient
from httpx import Response

from core.access.api_keys import ApiKey, Keyring
from core.access.credentials import is_credential
from core.access.user_tokens import TOKEN_PREFIX
from core.schema import EditStatus
from core.store import keys as names
from tests.support.problems import assert_problem

Post = Callable[..., Response]
MakeKey = Callable[..., tuple[dict[str, str], ApiKey]]
MakeToken = Callable[..., dict[str, str]]

PAGE = "https://app.example"


def ids(answer: Response) -> list[str]:
    return [edit["id"] for edit in answer.json()["data"]]


@pytest.fixture
def key(make_key: MakeKey) -> dict[str, str]:
    return make_key()[0]


@pytest.fixture
def make_token(client: TestClient, key: dict[str, str]) -> MakeToken:
    """Return a function: `make_token(user="ann", edits=2)` gives the headers of a token."""

    def make(*, headers: dict[str, str] | None = None, **fields: Any) -> dict[str, str]:
        answer = client.post("/v1/tokens", json=fields, headers=headers or key)
        assert answer.status_code == 201, answer.text
        return {"Authorization": f"Bearer {answer.json()['token']}"}

    return make


# --- creating one


def test_a_key_makes_a_token(client: TestClient, key: dict[str, str]) -> None:
    answer = client.post(
        "/v1/tokens", json={"ttl": 60, "edits": 2, "user": "auth0|ann@example.org"}, headers=key
    )
    assert answer.status_code == 201
    assert answer.headers["cache-control"] == "no-store"
    made = answer.json()
    assert made.keys() == {"id", "object", "token", "user", "edits", "expires_at"}
    assert made["id"].startswith("tok_")
    assert is_credential(made["token"], TOKEN_PREFIX)
    assert (made["object"], made["user"], made["edits"]) == ("token", "auth0|ann@example.org", 2)
    expires_at = datetime.fromisoformat(made["expires_at"])
    assert timedelta(seconds=55) < expires_at - datetime.now(UTC) <= timedelta(seconds=60)


@pytest.mark.parametrize("fields", [{}, {"ttl": None, "edits": None, "user": None}])
def test_by_default_it_holds_for_an_hour_for_a_user_of_its_own(
    client: TestClient, key: dict[str, str], fields: dict[str, Any]
) -> None:
    made = client.post("/v1/tokens", json=fields, headers=key).json()
    assert (made["user"], made["edits"]) == (made["id"], None)
    left = datetime.fromisoformat(made["expires_at"]) - datetime.now(UTC)
    assert timedelta(minutes=59) < left <= timedelta(hours=1)


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("ttl", [0, -1, 86401, "soon", 1.5, [], 10**30]),
        ("edits", [0, -1, "many", {}]),
        ("user", ["", "a b", "a\n", "anné", "x" * 129, 7, [], "\0"]),
        ("uses", [1]),
    ],
)
def test_a_wrong_field_is_named(
    client: TestClient, key: dict[str, str], field: str, values: list[Any]
) -> None:
    for value in values:
        answer = client.post("/v1/tokens", json={field: value}, headers=key)
        problem = assert_problem(answer, 422, "validation_error")
        assert [error["pointer"] for error in problem["errors"]] == [f"/{field}"]


def test_the_bounds_are_accepted(make_token: MakeToken) -> None:
    make_token(ttl=86400, edits=1, user="x" * 128)
    make_token(ttl=1, user="!")


@pytest.mark.parametrize(
    ("content", "media_type", "status", "code"),
    [
        (b"", "application/json", 400, "invalid_request"),
        (b"{", "application/json", 400, "invalid_request"),
        (b"[]", "application/json", 422, "validation_error"),
        (b'{"ttl":1,"ttl":2}', "application/json", 422, "validation_error"),
        (b"{}", "text/plain", 415, "unsupported_media_type"),
        (b"ttl=1", "application/x-www-form-urlencoded", 415, "unsupported_media_type"),
        (b" " * 70_000, "application/json", 413, "image_too_large"),
    ],
)
def test_a_body_that_cannot_be_read_is_refused(
    client: TestClient,
    key: dict[str, str],
    content: bytes,
    media_type: str,
    status: int,
    code: str,
) -> None:
    headers = {**key, "Content-Type": media_type}
    assert_problem(client.post("/v1/tokens", content=content, headers=headers), status, code)


def test_a_service_without_keys_says_how_to_make_one(client: TestClient) -> None:
    problem = assert_problem(client.post("/v1/tokens", json={}), 403, "forbidden")
    assert "baret keys create" in problem["detail"]


# --- using one


def test_a_token_makes_follows_and_deletes_an_edit(
    client: TestClient, post: Post, make_token: MakeToken, finish: Callable[..., Any]
) -> None:
    ann = make_token(user="ann")
    made = post(headers=ann)
    assert made.status_code == 202
    edit = made.json()
    assert edit["user"] == "ann"
    path = f"/v1/edits/{edit['id']}"
    assert client.post(f"{path}/cancel", headers=ann).json()["status"] == "canceled"
    edit = post(headers=ann).json()
    path = f"/v1/edits/{edit['id']}"
    finish()
    answer = client.get(f"{path}?wait=5", headers=ann)
    assert answer.json()["status"] == "succeeded"
    unchanged = client.get(path, headers={**ann, "If-None-Match": answer.headers["etag"]})
    assert unchanged.status_code == 304
    assert client.get(f"{path}/image", headers=ann).status_code == 200
    assert "event: done" in client.get(f"{path}/events", headers=ann).text
    assert client.get("/v1/models", headers=ann).status_code == 200
    again = client.post("/v1/edits", json={"prompt": "x", "source": edit["id"]}, headers=ann)
    assert again.status_code == 202
    assert client.delete(path, headers=ann).status_code == 204
    assert client.get(path, headers=ann).status_code == 404


def test_signed_addresses_and_tickets_need_no_token(
    client: TestClient, post: Post, make_token: MakeToken, finish: Callable[..., Any]
) -> None:
    ann = make_token()
    edit_id = post(headers=ann).json()["id"]
    finish()
    edit = client.get(f"/v1/edits/{edit_id}", headers=ann).json()
    assert client.get(edit["outputs"][0]["url"]).status_code == 200
    assert "event: done" in client.get(edit["urls"]["events"]).text


def test_a_renewed_token_finds_the_edits_of_the_one_before(
    client: TestClient, post: Post, make_token: MakeToken, make_key: MakeKey
) -> None:
    key, made = make_key("server")
    edit = post(headers=make_token(user="ann", headers=key)).json()
    renewed, _ = make_key("server", replaces=made.id)
    for headers in (
        make_token(user="ann", headers=key),
        make_token(user="ann", headers=renewed),
    ):
        assert ids(client.get("/v1/edits", headers=headers)) == [edit["id"]]
        assert client.get(edit["urls"]["self"], headers=headers).json()["id"] == edit["id"]
    other, _ = make_key("another server")
    assert ids(client.get("/v1/edits", headers=make_token(user="ann", headers=other))) == []


def test_the_key_sees_its_users_edits_and_lists_one_users(
    client: TestClient, post: Post, key: dict[str, str], make_token: MakeToken
) -> None:
    users = {"ann": make_token(user="ann"), "ben": make_token(user="ben"), None: key}
    made = {user: post(headers=headers).json()["id"] for user, headers in users.items()}
    assert ids(client.get("/v1/edits", headers=key)) == [made[None], made["ben"], made["ann"]]
    for user in ("ann", "ben"):
        assert client.get(f"/v1/edits/{made[user]}", headers=key).json()["user"] == user
        assert ids(client.get("/v1/edits", params={"user": user}, headers=key)) == [made[user]]
    assert client.get(f"/v1/edits/{made[None]}", headers=key).json()["user"] is None
    for nobody in ("", "cid", "ann ", "*", "key"):
        assert ids(client.get("/v1/edits", params={"user": nobody}, headers=key)) == []
    assert client.post(f"/v1/edits/{made['ann']}/cancel", headers=key).status_code == 200
    assert client.delete(f"/v1/edits/{made['ann']}", headers=key).status_code == 204


def test_pages_of_one_users_edits_lead_through_all_of_them(
    client: TestClient, post: Post, key: dict[str, str], make_token: MakeToken
) -> None:
    ann = make_token(user="ann")
    made = []
    for _ in range(3):
        made.append(post(headers=ann).json()["id"])
        client.post(f"/v1/edits/{post(headers=key).json()['id']}/cancel", headers=key)
    for headers, user in ((key, "ann"), (ann, "ann"), (ann, None)):
        query = {"limit": "1"} | ({"user": user} if user else {})
        found, cursor = [], None
        while True:
            page = client.get(
                "/v1/edits", params=query | ({"cursor": cursor} if cursor else {}), headers=headers
            )
            found += ids(page)
            cursor = page.json()["next_cursor"]
            if cursor is None:
                break
        assert found == made[::-1]
    assert ids(client.get("/v1/edits?user=ben", headers=ann)) == []


def test_idempotency_keys_are_the_users_own(
    client: TestClient, post: Post, key: dict[str, str], make_token: MakeToken
) -> None:
    ann, again, ben = make_token(user="ann"), make_token(user="ann"), make_token(user="ben")
    order = {"Idempotency-Key": "order-1"}
    first = post(headers={**ann, **order}).json()["id"]
    replayed = post(headers={**again, **order})
    assert replayed.json()["id"] == first
    assert replayed.headers["idempotent-replayed"] == "true"
    others = [post(headers={**headers, **order}, prompt="another") for headers in (ben, key)]
    assert [answer.status_code for answer in others] == [202, 202]
    assert len({first, *(answer.json()["id"] for answer in others)}) == 3


def test_a_web_page_may_call_with_a_token(client: TestClient, make_token: MakeToken) -> None:
    asked = client.options(
        "/v1/edits",
        headers={
            "Origin": PAGE,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization",
        },
    )
    answer = client.get("/v1/edits", headers={"Origin": PAGE, **make_token()})
    assert (asked.status_code, answer.status_code) == (200, 200)
    for one in (asked, answer):
        assert one.headers["access-control-allow-origin"] == "*"


# --- its limits


def test_a_token_makes_only_as_many_edits_as_it_may(
    client: TestClient, post: Post, make_token: MakeToken
) -> None:
    ann = make_token(user="ann", edits=2)
    first = post(headers={**ann, "Idempotency-Key": "1"})
    assert post(headers={**ann, "Idempotency-Key": "1"}).json() == first.json()
    assert_problem(post(headers=ann, strength="7"), 422, "validation_error")
    assert post(headers=ann).status_code == 202
    assert_problem(post(headers=ann), 403, "token_spent")
    assert post(headers={**ann, "Idempotency-Key": "1"}).json() == first.json()
    assert len(ids(client.get("/v1/edits", headers=ann))) == 2
    assert post(headers=make_token(user="ann", edits=1)).status_code == 202


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/tokens"),
        ("GET", "/v1/webhooks/secret"),
        ("POST", "/v1/webhooks/secret/rotate"),
        ("GET", "/v1/edits/{id}/deliveries"),
        ("POST", "/v1/edits/{id}/deliveries/msg_x/replay"),
        ("GET", "/metrics"),
    ],
)
def test_what_only_a_key_may_do_is_refused(
    client: TestClient, post: Post, make_token: MakeToken, method: str, path: str
) -> None:
    ann = make_token(user="ann")
    address = path.format(id=post(headers=ann).json()["id"])
    answer = client.request(method, address, headers=ann)
    problem = assert_problem(answer, 403, "forbidden")
    assert "key" in problem["detail"]


@pytest.mark.parametrize("in_params", [False, True])
def test_a_token_chooses_no_webhook(
    client: TestClient,
    post: Post,
    make_token: MakeToken,
    in_params: bool,
    make_image: Callable[..., bytes],
) -> None:
    ann = make_token(user="ann")
    url = "https://hooks.example/baret"
    fields = {"params": f'{{"webhook_url": "{url}"}}'} if in_params else {"webhook_url": url}
    problem = assert_problem(post(headers=ann, **fields), 403, "forbidden")
    assert "webhook" in problem["detail"]
    assert ids(client.get("/v1/edits", headers=ann)) == []


def test_the_keys_rate_holds_over_all_its_tokens(
    client: TestClient, make_key: MakeKey, make_token: MakeToken
) -> None:
    key, _ = make_key("server", requests_per_minute=5)
    tokens = [make_token(user=user, headers=key) for user in ("ann", "ben")]  # two requests
    for headers in (*tokens, key):
        answer = client.get("/v1/edits", headers=headers)
        assert answer.status_code == 200
        assert answer.headers["ratelimit-policy"] == '"requests";q=5;w=60'
    for headers in (*tokens, key):
        assert_problem(client.get("/v1/edits", headers=headers), 429, "rate_limited")


def test_the_keys_edits_in_flight_hold_over_all_its_tokens(
    post: Post, make_key: MakeKey, make_token: MakeToken, finish: Callable[..., Any]
) -> None:
    key, _ = make_key("server", edits_in_flight=2)
    ann, ben = (make_token(user=user, headers=key) for user in ("ann", "ben"))
    assert [post(headers=one).status_code for one in (ann, ben)] == [202, 202]
    for headers in (ann, ben, key):
        assert_problem(post(headers=headers), 429, "rate_limited")
    finish(EditStatus.FAILED)
    assert post(headers=ben).status_code == 202


def test_a_revoked_key_ends_its_tokens_at_once(
    client: TestClient, make_key: MakeKey, make_token: MakeToken, keys: Keyring
) -> None:
    headers, key = make_key("server")
    ann = make_token(user="ann", headers=headers)
    assert client.get("/v1/edits", headers=ann).status_code == 200
    keys.revoke(key.id)
    problem = assert_problem(client.get("/v1/edits", headers=ann), 401, "unauthenticated")
    assert "revoked" in problem["detail"]


def test_an_expired_token_is_told_apart_from_a_mistyped_one(
    client: TestClient, make_token: MakeToken, redis_url: str
) -> None:
    text = make_token()["Authorization"].removeprefix("Bearer ")
    with redis.Redis.from_url(redis_url) as client_of_redis:
        client_of_redis.delete(*client_of_redis.keys(names.user_token("*")))
    for token, word in ((text[:-1], "checksum"), (f"{text}0", "checksum"), (text, "expired")):
        answer = client.get("/v1/edits", headers={"Authorization": f"Bearer {token}"})
        assert word in assert_problem(answer, 401, "unauthenticated")["detail"]
        assert answer.headers["www-authenticate"] == "Bearer"
