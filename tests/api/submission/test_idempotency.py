"""A POST that is sent again: one edit, one answer."""

import asyncio
import base64
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi.testclient import TestClient
from httpx import Response

from api.app import create_app
from core.access.api_keys import ApiKey
from core.schema import EditStatus, Model
from core.settings import Settings
from core.store import keys
from core.store.connection import connect
from core.store.edits import EditStore
from core.store.idempotency import Idempotency, IdempotencyLock
from tests.support.listing import listed
from tests.support.problems import assert_problem

Post = Callable[..., Response]
Finish = Callable[..., object]
MakeImage = Callable[..., bytes]
MakeKey = Callable[..., tuple[dict[str, str], ApiKey]]

KEY = {"Idempotency-Key": "order-1"}


def edits(client: TestClient) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = client.get("/v1/edits").json()["data"]
    return listed


def test_the_same_request_again_gets_the_first_answer_again(
    post: Post, client: TestClient, finish: Callable[..., object]
) -> None:
    first = post(headers=KEY, seed="5")
    assert first.status_code == 202
    assert "idempotent-replayed" not in first.headers
    finish()
    again = post(headers=KEY, seed="5")
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert again.headers["location"] == first.headers["location"]
    assert again.headers["idempotent-replayed"] == "true"
    assert len(edits(client)) == 1


def test_an_answer_that_waited_is_given_again_without_waiting(
    post: Post, store: EditStore, finish: Callable[..., object]
) -> None:
    def work() -> None:
        while not store.waiting("zoo", longer_than=0, limit=1):
            time.sleep(0.01)
        finish()

    worker = threading.Thread(target=work)
    worker.start()
    first = post(headers=KEY | {"Prefer": "wait=20"})
    worker.join()
    again = post(headers=KEY)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    assert again.headers["preference-applied"] == "wait=20"


@pytest.mark.parametrize("status", [EditStatus.FAILED, EditStatus.CANCELED, EditStatus.SUCCEEDED])
def test_the_first_answer_is_given_again_whatever_the_edit_has_become(
    post: Post, client: TestClient, store: EditStore, finish: Finish, status: EditStatus
) -> None:
    post()  # so that the other one has a place in the queue
    first = post(headers=KEY, metadata='{"order": "ä🐕"}', strength="[0.5, 1]", artifacts="true")
    assert first.json()["queue_position"] == 1
    finish()
    again = post(headers=KEY, metadata='{"order": "ä🐕"}', strength="[0.5, 1]", artifacts="true")
    assert again.content == first.content
    url = f"/v1/edits/{first.json()['id']}"
    if status is EditStatus.CANCELED:
        client.post(f"{url}/cancel")
    else:
        error = {"code": "timeout"} if status is EditStatus.FAILED else None
        finish(status, error=error)
    assert client.get(url).json()["status"] == status
    again = post(headers=KEY, metadata='{"order": "ä🐕"}', strength="[0.5, 1]", artifacts="true")
    assert again.content == first.content
    assert again.headers["location"] == first.headers["location"]


def test_what_is_stored_of_an_answer_is_small_and_holds_nothing_of_the_request(
    post: Post, client: TestClient, redis_url: str
) -> None:
    metadata = {f"{number}{'k' * 500}": "😀" * 512 for number in range(16)}
    body = {"metadata": json.dumps(metadata), "prompt": "a dog " + "é" * 900}
    first = post(headers=KEY, **body)
    assert post(headers=KEY, **body).content == first.content
    with connect(redis_url) as raw:
        (key,) = raw.keys(keys.idempotency("*"))
        stored = raw.hgetall(key)
    assert stored.keys() == {"body", "token", "edit", "reply"}
    assert len(str(stored)) < 600
    assert not [text for text in ("k" * 9, "😀", "a dog", "order-1") if text in str(stored)]


def test_a_first_answer_that_cannot_be_read_is_a_problem(post: Post, redis_url: str) -> None:
    post(headers=KEY)
    with connect(redis_url) as raw:
        (key,) = raw.keys(keys.idempotency("*"))
        raw.hset(key, "reply", '{"status": "x"}')
    assert_problem(post(headers=KEY), 503, "unavailable")


def test_after_the_edit_was_deleted_its_key_says_so_whatever_is_sent(
    post: Post, client: TestClient
) -> None:
    first = post(headers=KEY)
    client.delete(f"/v1/edits/{first.json()['id']}")
    assert_problem(post(headers=KEY), 410, "deleted")
    assert_problem(post(headers=KEY, seed="6"), 410, "deleted")
    assert edits(client) == []
    assert post(headers={"Idempotency-Key": "order-2"}).status_code == 202


def test_after_the_edit_has_expired_its_key_says_so(
    post: Post, finish: Finish, store: EditStore, redis_url: str
) -> None:
    edit_id = post(headers=KEY).json()["id"]
    finish()
    with connect(redis_url) as raw:
        raw.hset(keys.edit(edit_id), "expires_ms", 1)
        raw.zadd(keys.EXPIRING, {edit_id: 1})
    assert_problem(post(headers=KEY), 410, "expired")  # before the housekeeper has run
    assert store.expire(limit=10) == [edit_id]
    assert_problem(post(headers=KEY), 410, "expired")


@pytest.mark.parametrize("changed", [{"seed": "6"}, {"prompt": "a dog"}, {"metadata": '{"a":"b"}'}])
def test_another_body_under_the_same_key_is_a_mismatch(
    post: Post, client: TestClient, changed: dict[str, str]
) -> None:
    post(headers=KEY, seed="5")
    assert_problem(post(headers=KEY, **({"seed": "5"} | changed)), 422, "idempotency_mismatch")
    assert len(edits(client)) == 1


def test_a_forms_identity_is_its_fields_and_its_file(
    client: TestClient, make_image: MakeImage
) -> None:
    def send(data: bytes, *, boundary: str, name: str) -> Response:
        parts = [("prompt", None, b"x"), ("params", None, b'{"seed": 5}'), ("image", name, data)]
        if boundary == "two":
            parts.reverse()
        body = b""
        for field, file, value in parts:
            file_name = f'; filename="{file}"' if file else ""
            head = f'--{boundary}\r\nContent-Disposition: form-data; name="{field}"{file_name}'
            body += head.encode() + b"\r\n\r\n" + value + b"\r\n"
        body += f"--{boundary}--\r\n".encode()
        kind = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
        return client.post("/v1/edits", content=body, headers=KEY | kind)

    assert send(make_image(), boundary="one", name="a.png").status_code == 202
    assert send(make_image(), boundary="two", name="b.png").headers["idempotent-replayed"] == "true"
    other = make_image(size=(64, 48))
    assert_problem(send(other, boundary="one", name="a.png"), 422, "idempotency_mismatch")


def test_a_json_bodys_identity_is_its_fields(client: TestClient, make_image: MakeImage) -> None:
    image = {"base64": base64.b64encode(make_image()).decode()}
    metadata = {"a": "1", "b": "2"}
    body = {"prompt": "x", "image": image, "metadata": metadata}
    turned = {"metadata": {"b": "2", "a": "1"}, "image": image, "prompt": "x", "seed": 0}
    assert client.post("/v1/edits", json=body, headers=KEY).status_code == 202
    again = client.post("/v1/edits", json=turned, headers=KEY)
    assert again.headers["idempotent-replayed"] == "true"
    other = body | {"image": {"base64": base64.b64encode(make_image(size=(64, 48))).decode()}}
    assert_problem(client.post("/v1/edits", json=other, headers=KEY), 422, "idempotency_mismatch")


@pytest.fixture
def lock_key(redis_url: str) -> Iterator[Callable[[str], IdempotencyLock]]:
    """Hold the key as a first request does that is still in progress."""
    with connect(redis_url) as client:

        def lock(body: str) -> IdempotencyLock:
            outcome = Idempotency(client).acquire("local", KEY["Idempotency-Key"], body=body)
            assert isinstance(outcome, IdempotencyLock)
            return outcome

        yield lock


def test_while_the_first_is_being_taken_others_are_told_to_come_again(
    post: Post, lock_key: Callable[[str], IdempotencyLock], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.submission.idempotency.fingerprint", lambda parsed: "the same")
    lock_key("the same")
    answer = post(headers=KEY)
    assert_problem(answer, 409, "idempotency_in_progress")
    assert answer.headers["retry-after"] == "1"


def test_an_accepted_edit_whose_answer_was_never_given_is_answered_as_it_is(
    post: Post,
    client: TestClient,
    store: EditStore,
    lock_key: Callable[[str], IdempotencyLock],
    submission: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # As if the process had been killed between acceptance and answer.
    monkeypatch.setattr("api.submission.idempotency.fingerprint", lambda parsed: "the same")
    accepted = submission()
    store.submit(accepted, limit=5, lock=lock_key("the same"))
    answer = post(headers=KEY | {"Prefer": "wait=1"})
    assert (answer.status_code, answer.json()["id"]) == (202, accepted.id)
    assert answer.headers["idempotent-replayed"] == "true"
    assert answer.headers["preference-applied"] == "wait=1"
    assert len(edits(client)) == 1


def test_a_request_that_failed_frees_its_key(
    bare_client: TestClient,
    store: EditStore,
    model: Model,
    settings: Settings,
    make_image: MakeImage,
    submission: Callable[..., Any],
) -> None:
    def send(data: bytes, **fields: str) -> Response:
        return bare_client.post(
            "/v1/edits", data={"prompt": "x", **fields}, files={"image": data}, headers=KEY
        )

    assert_problem(send(make_image(), seed="-1"), 422, "validation_error")
    assert_problem(send(make_image()), 503, "no_worker")
    store.announce("worker-1", model)
    assert_problem(send(make_image(), model="none"), 422, "validation_error")
    assert_problem(send(b"not an image"), 415, "unsupported_media_type")
    for _ in range(settings.queue_limit):
        store.submit(submission(), limit=settings.queue_limit)
    assert_problem(send(make_image()), 503, "queue_full")
    store.claim("zoo")
    accepted = send(make_image())
    assert (accepted.status_code, "idempotent-replayed" in accepted.headers) == (202, False)


def test_keys_of_different_callers_are_different_keys(
    post: Post, make_key: MakeKey, client: TestClient
) -> None:
    ann, first = make_key("ann")
    after, _ = make_key("ann", replaces=first.id)
    ben, _ = make_key("ben")
    ids = [post(headers=KEY | caller).json()["id"] for caller in (ann, ben, ann, after)]
    assert ids[0] == ids[2] == ids[3] != ids[1]


@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb", "é"])
def test_a_key_that_cannot_be_told_from_others_is_an_invalid_request(post: Post, key: str) -> None:
    assert_problem(post(headers={"Idempotency-Key": key.encode()}), 400, "invalid_request")


def test_without_a_key_the_same_request_makes_another_edit(post: Post, client: TestClient) -> None:
    post()
    post()
    assert len(edits(client)) == 2


# --- over real connections


@pytest.fixture
def address(settings: Settings, store: EditStore, model: Model) -> Iterator[str]:
    """Run a real server with a live worker; return its address."""
    store.announce("worker-1", model)
    config = uvicorn.Config(create_app(settings), log_config=None, access_log=False)
    server = uvicorn.Server(config)
    listening = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    server.should_exit = True
    thread.join()


def test_of_fifty_at_once_exactly_one_makes_an_edit(
    address: str, store: EditStore, make_image: MakeImage
) -> None:
    data = make_image("JPEG", size=(640, 480))

    async def all_at_once() -> list[Response]:
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(
            base_url=address, limits=limits, timeout=60, trust_env=False
        ) as client:
            posts = (
                client.post("/v1/edits", data={"prompt": "x"}, files={"image": data}, headers=KEY)
                for _ in range(50)
            )
            return await asyncio.gather(*posts)

    answers = asyncio.run(all_at_once())
    taken = [answer for answer in answers if answer.status_code == 202]
    first = [answer for answer in taken if "idempotent-replayed" not in answer.headers]
    assert len(first) == 1
    assert {answer.json()["id"] for answer in taken} == {first[0].json()["id"]}
    for answer in answers:
        if answer.status_code != 202:
            assert_problem(answer, 409, "idempotency_in_progress")
    assert len(listed(store, "local")) == 1
    assert len(store.waiting("zoo", longer_than=0, limit=100)) == 1
