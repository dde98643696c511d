"""User tokens: one reaches no other user's edits, and nothing close to one is accepted."""

from collections.abc import Callable
from typing import Any

import pytest
import redis
from fastapi.testclient import TestClient
from httpx import Response

from core.access.api_keys import ApiKey, Keyring
from core.access.credentials import new_credential
from core.access.user_tokens import TOKEN_PREFIX
from core.ids import new_edit_id
from core.store import keys as names
from tests.security.others_edits import OPERATIONS, told
from tests.security.tally import Tally

Post = Callable[..., Response]
MakeKey = Callable[..., tuple[dict[str, str], ApiKey]]
MakeToken = Callable[..., dict[str, str]]


@pytest.fixture
def key(make_key: MakeKey) -> dict[str, str]:
    return make_key("server")[0]


@pytest.fixture
def make_token(client: TestClient, key: dict[str, str]) -> MakeToken:
    def make(**fields: Any) -> dict[str, str]:
        token = client.post("/v1/tokens", json=fields, headers=key).json()["token"]
        return {"Authorization": f"Bearer {token}"}

    return make


@pytest.mark.parametrize("owner", ["ann", None, "the key"])
@pytest.mark.parametrize("state", ["queued", "succeeded", "expired"])
def test_anothers_edit_is_answered_byte_for_byte_like_none(
    client: TestClient,
    key: dict[str, str],
    make_token: MakeToken,
    post: Post,
    finish: Callable[..., Any],
    redis_url: str,
    tally: Tally,
    *,
    owner: str | None,
    state: str,
) -> None:
    mine = key if owner == "the key" else make_token(user=owner)
    ben = make_token(user="ben")
    edit_id = post(headers=mine).json()["id"]
    if state != "queued":
        finish()
    if state == "expired":
        with redis.Redis.from_url(redis_url) as client_of_redis:
            client_of_redis.hset(names.edit(edit_id), "expires_ms", 1)
        assert client.get(f"/v1/edits/{edit_id}", headers=mine).status_code == 410
    for method, path, headers in OPERATIONS:
        answers = []
        for one in (edit_id, new_edit_id()):
            address = path.format(id=one, bare=one.removeprefix("edit_"))
            answer = client.request(method, address, headers={**ben, **headers})
            tally.count("other users' edits", answer.status_code)
            answers.append(told(answer, one))
        assert answers[0] == answers[1], (method, path)
        # Deliveries are refused to every token, whatever the edit.
        assert answers[0][0] == 403 if "deliveries" in path else answers[0][0] in (404, 405)
    answers = []
    for one in (edit_id, new_edit_id()):
        answer = client.post("/v1/edits", json={"prompt": "x", "source": one}, headers=ben)
        tally.count("other users' edits", answer.status_code)
        answers.append(told(answer, one))
    assert answers[0] == answers[1]
    assert answers[0][0] == 422
    assert client.get("/v1/edits", headers=ben).json() == {"data": [], "next_cursor": None}
    for user in ("ann", "ben", "tok_0000000000000000", "", " ", "ben ann"):
        page = client.get("/v1/edits", params={"user": user}, headers=ben).json()
        assert page == {"data": [], "next_cursor": None}
    if state != "expired":
        assert client.get(f"/v1/edits/{edit_id}", headers=mine).status_code == 200
        assert client.delete(f"/v1/edits/{edit_id}", headers=ben).status_code == 404
        assert client.get(f"/v1/edits/{edit_id}", headers=key).status_code == 200


def test_the_same_user_of_another_key_is_another_user(
    client: TestClient, make_key: MakeKey, make_token: MakeToken, post: Post, tally: Tally
) -> None:
    edit_id = post(headers=make_token(user="ann")).json()["id"]
    other, _ = make_key("another server")
    token = client.post("/v1/tokens", json={"user": "ann"}, headers=other).json()["token"]
    for headers in (other, {"Authorization": f"Bearer {token}"}):
        answer = client.get(f"/v1/edits/{edit_id}", headers=headers)
        tally.count("other users' edits", answer.status_code)
        assert answer.status_code == 404
        assert client.get("/v1/edits?user=ann", headers=headers).json()["data"] == []


def test_a_cursor_is_its_users(
    client: TestClient, key: dict[str, str], make_token: MakeToken, post: Post, tally: Tally
) -> None:
    ann, ben = make_token(user="ann"), make_token(user="ben")
    for _ in range(2):
        post(headers=ann)
    cursors = [
        client.get("/v1/edits?limit=1", headers=headers).json()["next_cursor"]
        for headers in (ann, key)
    ]
    for headers, cursor in ((ben, cursors[0]), (ben, cursors[1]), (ann, cursors[1])):
        answer = client.get("/v1/edits", params={"cursor": cursor}, headers=headers)
        tally.count("forged cursors", answer.status_code)
        assert answer.status_code == 400


def test_what_is_nearly_a_token_or_was_one_is_none(
    client: TestClient, make_token: MakeToken, redis_url: str, tally: Tally
) -> None:
    text = make_token()["Authorization"].removeprefix("Bearer ")
    flipped = [
        text[:at] + ("x" if text[at] != "x" else "y") + text[at + 1 :] for at in range(len(text))
    ]
    as_key = text.replace("tk", "sk", 1)
    wrong = [*flipped, text[:-1], f"{text}0", text.upper(), TOKEN_PREFIX, f"{text},{text}", as_key]
    unknown = [new_credential(TOKEN_PREFIX) for _ in range(5)]
    with redis.Redis.from_url(redis_url) as client_of_redis:
        (record,) = client_of_redis.keys(names.user_token("*"))
        gone = client_of_redis.dump(record)
        client_of_redis.delete(record)  # as it expires
        answers = [
            client.get("/v1/edits", headers={"Authorization": f"Bearer {one}"})
            for one in [*wrong, *unknown, text]
        ]
        client_of_redis.restore(record, 60_000, gone)
    for answer in answers:
        tally.count("near-miss and revoked keys", answer.status_code)
        assert answer.status_code == 401
        assert text not in answer.text
    assert "expired" in answers[-1].json()["detail"]
    assert told(answers[-1], "") == told(answers[-2], "")  # as if there had never been one
    valid = {"Authorization": f"Bearer {text}"}
    assert client.get("/v1/edits", headers=valid).status_code == 200


def test_a_token_of_a_revoked_key_is_refused_everywhere(
    client: TestClient, make_key: MakeKey, keys: Keyring, post: Post, tally: Tally
) -> None:
    headers, made = make_key("leaked")
    answer = client.post("/v1/tokens", json={"user": "ann"}, headers=headers)
    ann = {"Authorization": f"Bearer {answer.json()['token']}"}
    edit_id = post(headers=ann).json()["id"]
    keys.revoke(made.id)
    for method, path, more in OPERATIONS:
        if "/files/" in path:
            continue  # signed, without a key
        address = path.format(id=edit_id, bare=edit_id.removeprefix("edit_"))
        refused = client.request(method, address, headers={**ann, **more})
        tally.count("near-miss and revoked keys", refused.status_code)
        assert refused.status_code == 401, (method, path)
    assert post(headers=ann).status_code == 401
