"""Batches through the API, its feeder and a real store; `finish` does the workers' part."""

import asyncio
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from fastapi.testclient import TestClient

from api.app import create_app
from api.services import make_services
from api.submission.feeder import WINDOW, BatchFeeder
from core.access.api_keys import Keyring
from core.images.storage import ImageStorage
from core.schema import EditStatus, Model
from core.settings import Settings
from core.store import keys
from core.store.batches import MAX_OPEN, Batches
from core.store.edits import EditStore
from core.webhooks.queue import Deliveries
from housekeeper.maintenance import delete_images, expire_batches
from tests.support.photos import Photos, serving_photos
from tests.support.redis_contents import contents
from tests.support.waiting import until

JSON_LINES = {"Content-Type": "application/jsonl"}
MakeKey = Callable[..., tuple[dict[str, str], Any]]
Finish = Callable[..., Any]


@pytest.fixture
def photos(make_image: Callable[..., bytes]) -> Iterator[Photos]:
    with serving_photos(make_image()) as made:
        yield made


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"queue_limit": 1000})


def edits(photos: Photos, count: int, *, name: str = "dog") -> list[dict[str, Any]]:
    return [{"image": f"{photos.url}/{name}-{n}", "prompt": f"dog {n}"} for n in range(count)]


def create(client: TestClient, some: list[Any], **more: Any) -> dict[str, Any]:
    headers = more.pop("headers", None)
    answer = client.post("/v1/batches", json={"edits": some, **more}, headers=headers)
    assert answer.status_code == 202, answer.text
    batch: dict[str, Any] = answer.json()
    return batch


def get(client: TestClient, batch: dict[str, Any], headers: Any = None) -> dict[str, Any]:
    answer = client.get(f"/v1/batches/{batch['id']}", headers=headers)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def results(client: TestClient, batch: dict[str, Any]) -> list[dict[str, Any]]:
    answer = client.get(f"/v1/batches/{batch['id']}/results")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/jsonl"
    return [json.loads(line) for line in answer.text.splitlines()]


def work_off(client: TestClient, store: EditStore, finish: Finish, batch: dict[str, Any]) -> None:
    """Finish edits as they are queued, until the batch has ended."""

    def ended() -> bool:
        while store.waiting("zoo", longer_than=-1, limit=1):
            finish()
        return bool(get(client, batch)["completed_at"])

    until(ended, "the batch to end")


def openai_lines(photos: Photos, count: int) -> bytes:
    bodies = edits(photos, count)
    lines = [
        {"custom_id": f"dog-{n}", "method": "POST", "url": "/v1/edits", "body": body}
        for n, body in enumerate(bodies)
    ]
    return "\n".join(map(json.dumps, lines)).encode()


def test_each_edit_ends_and_those_that_fail_are_errors_of_their_own(
    client: TestClient, store: EditStore, finish: Finish, photos: Photos
) -> None:
    some = edits(photos, 27) + edits(photos, 3, name="missing")
    batch = create(client, some, metadata={"campaign": "spring"})
    assert (batch["status"], batch["progress"]) == ("in_progress", 0)
    work_off(client, store, finish, batch)
    ended = get(client, batch)
    assert ended["status"] == "completed"
    assert ended["progress"] == 1
    assert ended["request_counts"] == {"total": 30, "completed": 27, "failed": 3, "canceled": 0}
    lines = results(client, batch)
    assert [line["index"] for line in lines] == list(range(30))
    assert [line["edit"]["prompt"] for line in lines[:27]] == [f"dog {n}" for n in range(27)]
    assert {line["error"]["code"] for line in lines[27:]} == {"fetch_failed"}
    assert lines[27]["error"]["errors"][0]["pointer"] == "/image"
    edit = lines[0]["edit"]
    assert (edit["priority"], lines[0]["error"]) == ("batch", None)
    assert client.get(edit["outputs"][0]["url"]).status_code == 200
    assert sorted(photos.fetched) == sorted(one["image"].removeprefix(photos.url) for one in some)


def test_results_can_be_read_while_it_runs(
    client: TestClient, finish: Finish, store: EditStore, photos: Photos
) -> None:
    batch = create(client, edits(photos, 3))
    until(lambda: len(store.waiting("zoo", longer_than=-1, limit=9)) == 3, "three edits to wait")
    assert results(client, batch) == []
    finish(EditStatus.FAILED, error={"code": "model_error"})
    (line,) = results(client, batch)
    assert (line["edit"]["status"], line["error"]) == ("failed", {"code": "model_error"})
    assert get(client, batch)["request_counts"]["failed"] == 1


@pytest.mark.parametrize("form", ["jsonl", "ndjson", "file"])
def test_openais_lines_are_taken(
    client: TestClient, store: EditStore, finish: Finish, photos: Photos, form: str
) -> None:
    lines = openai_lines(photos, 3)
    if form == "file":
        data = {"metadata": '{"a": "b"}'}
        answer = client.post("/v1/batches", files={"file": ("b.jsonl", lines)}, data=data)
    else:
        kind = {"jsonl": "application/jsonl", "ndjson": "application/x-ndjson"}[form]
        answer = client.post("/v1/batches", content=lines, headers={"Content-Type": kind})
    assert answer.status_code == 202, answer.text
    assert answer.json()["metadata"] == ({"a": "b"} if form == "file" else {})
    work_off(client, store, finish, answer.json())
    ids = [line["custom_id"] for line in results(client, answer.json())]
    assert ids == ["dog-0", "dog-1", "dog-2"]


WRONG: dict[str, tuple[Any, str, str]] = {
    "no prompt": ({"image": "https://a.example/b"}, "/1/prompt", "required"),
    "unknown field": ({"image": "https://a.example/b", "prompt": "a", "x": 1}, "/1/x", "no such"),
    "no image": ({"prompt": "a dog"}, "/1/image", "Send an image"),
    "private address": ({"image": "http://10.0.0.1/b", "prompt": "a"}, "/1/image", "public"),
    "private webhook": (
        {"image": "https://a.example/b", "prompt": "a", "webhook_url": "http://10.0.0.1/"},
        "/1/webhook_url",
        "public",
    ),
    "unknown model": (
        {"image": "https://a.example/b", "prompt": "a", "model": "m"},
        "/1/model",
        "zoo",
    ),
    "unknown preset": (
        {"image": "https://a.example/b", "prompt": "a", "params": {"preset": "p"}},
        "/1/params/preset",
        "preset",
    ),
    "interactive": (
        {"image": "https://a.example/b", "prompt": "a", "priority": "interactive"},
        "/1/priority",
        "batch",
    ),
    "no object": (["a"], "/1", "object"),
    "another address": (
        {"custom_id": "b", "url": "/v1/chat/completions", "body": {"prompt": "a"}},
        "/1/url",
        "/v1/edits",
    ),
    "inside a line": (
        {"custom_id": "b", "method": "POST", "url": "/v1/edits", "body": {"prompt": "a"}},
        "/1/body/image",
        "Send an image",
    ),
    "the same custom_id": (
        {"custom_id": "a", "body": {"image": "https://a.example/b", "prompt": "a"}},
        "/1/custom_id",
        "same",
    ),
    "too long": (
        {"image": {"base64": "a" * 70_000}, "prompt": "a"},
        "/1",
        "65536 bytes",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_line_is_named_and_nothing_is_accepted(
    client: TestClient, redis_url: str, name: str
) -> None:
    wrong, pointer, says = WRONG[name]
    right = {"custom_id": "a", "body": {"image": "https://a.example/b", "prompt": "a dog"}}
    as_json = client.post("/v1/batches", json={"edits": [right, wrong]})
    lines = "\n".join(map(json.dumps, [right, wrong]))
    as_lines = client.post("/v1/batches", content=lines, headers=JSON_LINES)
    for answer, place, prefix in ((as_json, "/edits", ""), (as_lines, "", "Line 2: ")):
        assert (answer.status_code, answer.json()["code"]) == (422, "validation_error")
        (error,) = answer.json()["errors"]
        assert error["pointer"] == place + pointer
        assert error["detail"].startswith(prefix)
        assert says in error["detail"]
    assert client.get("/v1/batches").json()["data"] == []
    with redis.Redis.from_url(redis_url, decode_responses=True) as connection:
        assert not list(connection.scan_iter("baret:batch*"))


def test_at_most_32_errors_are_listed_and_too_many_edits_refused(client: TestClient) -> None:
    answer = client.post("/v1/batches", json={"edits": [{"prompt": "a"}] * 500})
    assert len(answer.json()["errors"]) == 32
    line = {"image": "https://a.example/b", "prompt": "a"}
    answer = client.post("/v1/batches", json={"edits": [line] * 10_001})
    assert answer.status_code == 422
    lines = (json.dumps(line) + "\n").encode() * 10_001
    answer = client.post("/v1/batches", content=lines, headers=JSON_LINES)
    assert answer.status_code == 422
    answer = client.post("/v1/batches", content=b" " * 20_000_001, headers=JSON_LINES)
    assert answer.status_code == 413


def test_a_full_window_leaves_room_for_the_callers_other_edits(
    client: TestClient, make_key: MakeKey, store: EditStore, finish: Finish, photos: Photos
) -> None:
    ann, _ = make_key("ann", edits_in_flight=10)
    batch = create(client, edits(photos, 12), headers=ann)

    def waiting() -> list[str]:
        return store.waiting("zoo", longer_than=-1, limit=99)

    until(lambda: len(waiting()) == 5, "half of the caller's edits to wait")
    for _ in range(5):  # its own and another caller's edits are accepted, and go first
        sent = client.post("/v1/edits", json=edits(photos, 1, name="own")[0], headers=ann)
        assert sent.status_code == 202, sent.text
    assert sent.json()["queue_position"] == 4
    bob, _ = make_key("bob")
    sent = client.post("/v1/edits", json=edits(photos, 1, name="bob")[0], headers=bob)
    assert sent.json()["queue_position"] <= 2
    assert len(waiting()) == 11
    assert get(client, batch, ann)["request_counts"]["completed"] == 0
    for _ in range(11):
        finish()
    until(lambda: len(waiting()) == 5, "the next edits of the batch to wait")
    assert WINDOW >= 5


def test_batches_of_a_caller_go_one_after_the_other(
    client: TestClient, store: EditStore, finish: Finish, photos: Photos
) -> None:
    first = create(client, edits(photos, WINDOW + 2, name="first"))
    second = create(client, edits(photos, 2, name="second"))
    until(lambda: len(photos.fetched) == WINDOW, "the window to be full")
    assert all("first" in path for path in photos.fetched)
    work_off(client, store, finish, first)
    work_off(client, store, finish, second)
    assert get(client, second)["status"] == "completed"


def test_cancel_in_the_middle(
    client: TestClient, store: EditStore, finish: Finish, photos: Photos
) -> None:
    batch = create(client, edits(photos, WINDOW + 8))
    until(lambda: len(photos.fetched) >= WINDOW, "the window to be full")
    finish()
    running = store.claim("zoo")
    assert running is not None
    answer = client.post(f"/v1/batches/{batch['id']}/cancel").json()
    assert answer["status"] == "canceling"
    assert answer["request_counts"]["completed"] == 1
    assert answer["request_counts"]["canceled"] == WINDOW + 6
    store.finish(running, EditStatus.CANCELED)
    ended = get(client, batch)
    assert (ended["status"], ended["request_counts"]["canceled"]) == ("canceled", WINDOW + 7)
    lines = results(client, batch)
    assert len(lines) == WINDOW + 8
    codes = [line["error"] and line["error"]["code"] for line in lines]
    assert sorted(set(codes), key=str) == [None, "canceled"]
    assert client.post(f"/v1/batches/{batch['id']}/cancel").json()["status"] == "canceled"
    assert store.claim("zoo") is None


def test_two_feeders_at_once_make_each_edit_once(
    settings: Settings, store: EditStore, model: Model, finish: Finish, photos: Photos
) -> None:
    store.announce("worker-1", model)

    async def feed_all(batch_id: str) -> None:
        all_services = [make_services(settings) for _ in range(2)]
        record = all_services[0].batches.get(batch_id)
        # Neither waits for a claim: all take the same lines at the same time.
        await asyncio.gather(*(BatchFeeder(one).feed(record) for one in all_services))
        for services in all_services:
            await services.close()

    with TestClient(create_app(settings)) as client:  # it feeds, too
        batch = create(client, edits(photos, 20))
        asyncio.run(feed_all(batch["id"]))
        work_off(client, store, finish, batch)
        assert get(client, batch)["request_counts"]["completed"] == 20
        assert len(client.get("/v1/edits", params={"limit": 100}).json()["data"]) == 20


def test_a_restart_loses_and_repeats_nothing(
    settings: Settings, store: EditStore, model: Model, finish: Finish, photos: Photos
) -> None:
    store.announce("worker-1", model)
    with TestClient(create_app(settings)) as client:
        batch = create(client, edits(photos, WINDOW + 5))
        until(lambda: len(photos.fetched) >= 3, "some photos to be fetched")
    with TestClient(create_app(settings)) as client:
        # The claim of the process that stopped expires by itself; no test waits for that.
        client.app.state.services.batches.release("local", seconds=0)  # type: ignore[attr-defined]
        work_off(client, store, finish, batch)
        assert get(client, batch)["request_counts"]["completed"] == WINDOW + 5
        data = client.get("/v1/edits", params={"limit": 100}).json()["data"]
        assert sorted(edit["prompt"] for edit in data) == sorted(
            f"dog {n}" for n in range(WINDOW + 5)
        )


def test_a_full_queue_blocks_it_and_it_says_so(
    settings: Settings, store: EditStore, model: Model, finish: Finish, photos: Photos
) -> None:
    store.announce("worker-1", model)
    small = settings.model_copy(update={"queue_limit": 3})
    with TestClient(create_app(small)) as client:
        batch = create(client, edits(photos, 5))
        until(lambda: get(client, batch)["blocked"], "the batch to be blocked")
        assert get(client, batch)["blocked"]["code"] == "queue_full"
        work_off(client, store, finish, batch)
        assert get(client, batch)["request_counts"]["completed"] == 5
        assert get(client, batch)["blocked"] is None


def test_a_deleted_batch_leaves_nothing(
    client: TestClient,
    store: EditStore,
    finish: Finish,
    photos: Photos,
    settings: Settings,
    redis_url: str,
) -> None:
    files = ImageStorage(settings.images_url)
    secret = "a-word-that-only-this-caller-wrote"
    some = [one | {"prompt": f"{secret} {n}"} for n, one in enumerate(edits(photos, 6))]
    lines = [{"custom_id": f"{secret}-{n}", "body": one} for n, one in enumerate(some)]
    batch = create(
        client, lines, metadata={"a": secret}, webhook_url=f"http://127.0.0.1:9/{secret}"
    )
    until(lambda: len(store.waiting("zoo", longer_than=-1, limit=9)) == 6, "all to wait")
    finish()
    running = store.claim("zoo")
    assert running is not None
    assert client.delete(f"/v1/batches/{batch['id']}").status_code == 204
    assert client.get(f"/v1/batches/{batch['id']}").status_code == 404
    assert client.get("/v1/batches").json()["data"] == []
    assert client.get("/v1/edits").json()["data"] == []
    with redis.Redis.from_url(redis_url, decode_responses=True) as connection:
        assert [key for key, text in contents(connection).items() if secret in text] == []
        assert not list(connection.scan_iter("baret:batch:*"))
        assert not connection.exists(keys.batch_edits("local"), keys.open_batches("local"))
        for prefix in connection.zrange(keys.DELETIONS, 0, -1):
            connection.zadd(keys.DELETIONS, {prefix: 0})
        delete_images(store, files)
        assert not connection.hlen(keys.IMAGE_BYTES)
        assert not connection.hlen(keys.RECORD_BYTES)
    folder = Path(settings.images_url.removeprefix("file://"))
    assert not [name for _, _, names in os.walk(folder) for name in names]


def test_it_expires_with_its_edits(
    settings: Settings,
    store: EditStore,
    model: Model,
    finish: Finish,
    photos: Photos,
    redis_url: str,
) -> None:
    store.announce("worker-1", model)
    with TestClient(create_app(settings.model_copy(update={"retention": 1.0}))) as client:
        batch = create(client, edits(photos, 2))
        work_off(client, store, finish, batch)
        assert get(client, batch)["expires_at"]

        def gone() -> bool:
            store.expire(limit=10)
            expire_batches(client.app.state.services.batches)  # type: ignore[attr-defined]
            return client.get(f"/v1/batches/{batch['id']}").status_code == 404

        until(gone, "the batch to expire")
        assert client.get("/v1/edits").json()["data"] == []
    with redis.Redis.from_url(redis_url, decode_responses=True) as connection:
        assert not list(connection.scan_iter("baret:batch:*"))
        assert not connection.hlen(keys.RECORD_BYTES)
        prefix = f"_batches/{batch['id']}"
        assert prefix in connection.zrange(keys.DELETIONS, 0, -1)


def test_what_has_not_ended_at_its_deadline_is_canceled(
    client: TestClient, batches: Batches, deliveries: Deliveries, photos: Photos, redis_url: str
) -> None:
    batch = create(client, edits(photos, 3), webhook_url="http://127.0.0.1:9/")
    until(lambda: len(photos.fetched) == 3, "all to be fetched")
    with redis.Redis.from_url(redis_url) as connection:
        connection.zadd(keys.BATCHES_EXPIRING, {batch["id"]: 1})
    until(lambda: batches.get(batch["id"]).next_line == 3, "all to be queued")
    expire_batches(batches)
    assert get(client, batch)["status"] == "expired"
    delivery = deliveries.take()
    assert delivery is not None
    assert delivery.type == "batch.expired"


def test_a_batch_is_seen_by_its_caller_alone_and_tokens_make_none(
    client: TestClient, make_key: MakeKey, photos: Photos
) -> None:
    ann, _ = make_key("ann")
    bob, _ = make_key("bob")
    batch = create(client, edits(photos, 1), headers=ann)
    path = f"/v1/batches/{batch['id']}"
    assert client.get("/v1/batches", headers=bob).json()["data"] == []
    for method, address in (
        ("GET", path),
        ("GET", f"{path}/results"),
        ("POST", f"{path}/cancel"),
        ("DELETE", path),
    ):
        assert client.request(method, address, headers=bob).status_code == 404
    assert get(client, batch, ann)["status"] == "in_progress"
    token = client.post("/v1/tokens", json={"user": "u"}, headers=ann).json()["token"]
    headers = {"Authorization": f"Bearer {token}"}
    answer = client.post("/v1/batches", json={"edits": edits(photos, 1)}, headers=headers)
    assert answer.status_code == 403
    assert client.get(path, headers=headers).status_code == 403


def test_a_batch_of_a_revoked_key_stops(
    client: TestClient, make_key: MakeKey, keys: Keyring, batches: Batches, photos: Photos
) -> None:
    ann, key = make_key("ann", edits_in_flight=2)
    batch = create(client, edits(photos, 4), headers=ann)
    until(lambda: batches.get(batch["id"]).next_line == 1, "the first edit to be queued")
    keys.revoke(key.id)
    store_says = until(lambda: batches.get(batch["id"]).completed_at, "the batch to stop")
    assert store_says
    assert batches.get(batch["id"]).status == "canceled"


def test_a_batch_sent_again_is_made_once(client: TestClient, photos: Photos) -> None:
    headers = {"Idempotency-Key": "spring"}
    first = client.post("/v1/batches", json={"edits": edits(photos, 2)}, headers=headers)
    again = client.post("/v1/batches", json={"edits": edits(photos, 2)}, headers=headers)
    assert (again.status_code, again.json()["id"]) == (202, first.json()["id"])
    assert again.headers["idempotent-replayed"] == "true"
    other = client.post("/v1/batches", json={"edits": edits(photos, 3)}, headers=headers)
    assert other.json()["code"] == "idempotency_mismatch"
    edit = client.post("/v1/edits", json=edits(photos, 1)[0], headers=headers)
    assert edit.json()["code"] == "idempotency_mismatch"
    client.delete(f"/v1/batches/{first.json()['id']}")
    gone = client.post("/v1/batches", json={"edits": edits(photos, 2)}, headers=headers)
    assert (gone.status_code, gone.json()["code"]) == (410, "deleted")


def test_batches_and_their_bytes_are_bounded(
    settings: Settings, store: EditStore, model: Model, photos: Photos
) -> None:
    for bound in ("image_mb_per_key", "record_mb_per_key"):
        with TestClient(create_app(settings.model_copy(update={bound: 1}))) as client:
            store.announce("worker-1", model)
            metadata = {"a": "b" * 400}
            line = {"image": "https://a.example/b", "prompt": "a" * 900, "metadata": metadata}
            answer = client.post("/v1/batches", json={"edits": [line] * 9000})
            assert (answer.status_code, answer.json()["code"]) == (403, "quota_exceeded")
    small = settings.model_copy(update={"queue_limit": 0})
    with TestClient(create_app(small)) as client:
        for _ in range(MAX_OPEN):
            create(client, edits(photos, 1))
        answer = client.post("/v1/batches", json={"edits": edits(photos, 1)})
        assert (answer.status_code, answer.json()["code"]) == (429, "rate_limited")


def test_pages_of_batches(client: TestClient, photos: Photos) -> None:
    made = [create(client, edits(photos, 1))["id"] for _ in range(3)]
    first = client.get("/v1/batches", params={"limit": 2}).json()
    assert [one["id"] for one in first["data"]] == made[:0:-1]
    cursor = first["next_cursor"]
    second = client.get("/v1/batches", params={"limit": 2, "cursor": cursor}).json()
    assert [one["id"] for one in second["data"]] == made[:1]
    assert second["next_cursor"] is None
