"""Uploads: a photo is sent to a signed URL ahead of its edit, once, as it was announced."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import redis
from fastapi.testclient import TestClient
from httpx import Response

from api.app import create_app
from core.access.api_keys import ApiKey
from core.images.inspection import MAX_BYTES
from core.images.keys import INPUT, photo_prefix, upload_prefix
from core.images.storage import ImageStorage
from core.schema import Model
from core.settings import Settings
from core.store import keys as names
from core.store.edits import EditStore
from housekeeper.maintenance import delete_images
from tests.support.problems import assert_problem
from tests.support.s3 import running_s3

MakeImage = Callable[..., bytes]
MakeKey = Callable[..., tuple[dict[str, str], ApiKey]]
PNG = {"Content-Type": "image/png"}
PROMPT = "a cat that sits"


@pytest.fixture
def photo(make_image: MakeImage) -> bytes:
    return make_image()


@pytest.fixture
def raw(redis_url: str) -> Iterator[Any]:
    with redis.Redis.from_url(redis_url, decode_responses=True) as raw:
        yield raw


def create(client: TestClient, *, headers: dict[str, str] | None = None, **fields: Any) -> Any:
    body = {"content_type": "image/png", **fields}
    answer = client.post("/v1/uploads", json=body, headers=headers)
    assert answer.status_code == 201, answer.text
    return answer.json()


def path_of(upload: Any) -> str:
    parts = urlsplit(upload["url"])
    return f"{parts.path}?{parts.query}"


def send(client: TestClient, upload: Any, data: bytes, **headers: str) -> Response:
    return client.put(path_of(upload), content=data, headers={**upload["headers"], **headers})


def edit(client: TestClient, upload: Any, **more: Any) -> Response:
    body = {"prompt": PROMPT, "image": {"upload": upload["id"]}}
    return client.post("/v1/edits", json=body, **more)


def refused(answer: Response, status: int, code: str, place: str | None = None) -> None:
    """Assert that an answer is a problem, of the field at a place if one is given."""
    errors = assert_problem(answer, status, code).get("errors", [])
    assert [error["pointer"] for error in errors] == ([] if place is None else [place])


def test_an_upload_says_where_how_and_until_when(client: TestClient, photo: bytes) -> None:
    answer = client.post("/v1/uploads", json={"content_type": "image/png", "bytes": len(photo)})
    assert (answer.status_code, answer.headers["cache-control"]) == (201, "no-store")
    upload = answer.json()
    assert upload.keys() == {
        *("id", "object", "url", "method", "headers", "max_bytes", "expires_at"),
    }
    assert upload["id"].startswith("upl_")
    assert (upload["object"], upload["method"], upload["headers"]) == ("upload", "PUT", PNG)
    assert upload["max_bytes"] == len(photo)
    left = datetime.fromisoformat(upload["expires_at"]) - datetime.now(UTC)
    assert timedelta(minutes=59) < left <= timedelta(hours=1)


def test_an_edit_uses_the_image_that_was_sent(
    client: TestClient, store: EditStore, settings: Settings, photo: bytes
) -> None:
    upload = create(client, bytes=len(photo))
    sent = send(client, upload, photo)
    assert (sent.status_code, sent.content) == (204, b"")
    made = edit(client, upload)
    assert made.status_code == 202
    assert made.json()["input"]["content_type"] == "image/png"
    submission = store.get(made.json()["id"]).submission
    assert ImageStorage(settings.images_url).get(photo_prefix(submission), INPUT) == photo


def test_a_form_names_an_upload_by_its_id(client: TestClient, photo: bytes) -> None:
    upload = create(client)
    assert upload["max_bytes"] == MAX_BYTES
    assert send(client, upload, photo).status_code == 204
    form = {"prompt": (None, PROMPT), "upload": (None, upload["id"])}
    assert client.post("/v1/edits", files=form).status_code == 202


def test_an_upload_makes_one_edit_even_of_several_requests_at_once(
    client: TestClient, photo: bytes
) -> None:
    upload = create(client)
    send(client, upload, photo)
    with ThreadPoolExecutor() as pool:
        answers = list(pool.map(partial(edit, client), [upload] * 4))
    assert sorted(answer.status_code for answer in answers) == [202, 422, 422, 422]
    for answer in answers:
        if answer.status_code != 202:
            refused(answer, 422, "validation_error", "/image/upload")
    assert len(client.get("/v1/edits").json()["data"]) == 1
    refused(send(client, upload, photo), 404, "not_found")


def test_a_refused_edit_leaves_the_upload_for_another_try(
    client: TestClient, photo: bytes, settings: Settings
) -> None:
    upload = create(client)
    send(client, upload, photo)
    for _ in range(settings.queue_limit):
        client.post("/v1/edits", data={"prompt": PROMPT}, files={"image": photo})
    refused(edit(client, upload), 503, "queue_full")
    waiting = client.get("/v1/edits").json()["data"][0]["id"]
    client.post(f"/v1/edits/{waiting}/cancel")
    assert edit(client, upload).status_code == 202


def test_the_request_that_used_it_may_be_sent_again(client: TestClient, photo: bytes) -> None:
    upload = create(client)
    send(client, upload, photo)
    key = {"Idempotency-Key": "order-1"}
    first, second = (edit(client, upload, headers=key) for _ in range(2))
    assert first.json()["id"] == second.json()["id"]
    assert second.headers["idempotent-replayed"] == "true"


def test_the_same_image_may_be_sent_again_and_no_other(
    client: TestClient, photo: bytes, make_image: MakeImage
) -> None:
    upload = create(client)
    assert [send(client, upload, photo).status_code for _ in range(2)] == [204, 204]
    other = send(client, upload, make_image(size=(64, 48)))
    refused(other, 409, "upload_used")
    assert edit(client, upload).json()["input"]["height"] == 64


@pytest.mark.parametrize(
    ("headers", "change", "status", "code"),
    [
        ({"Content-Type": "image/jpeg"}, 0, 415, "unsupported_media_type"),
        ({"Content-Type": "application/octet-stream"}, 0, 415, "unsupported_media_type"),
        ({"Content-Encoding": "gzip"}, 0, 415, "unsupported_media_type"),
        ({}, 1, 413, "image_too_large"),
        ({}, -1, 400, "invalid_request"),
    ],
)
def test_what_was_not_announced_is_refused_and_may_be_corrected(
    client: TestClient,
    photo: bytes,
    *,
    headers: dict[str, str],
    change: int,
    status: int,
    code: str,
) -> None:
    upload = create(client, bytes=len(photo))
    data = (photo + b"\0")[: len(photo) + change]
    refused(send(client, upload, data, **headers), status, code)
    assert send(client, upload, photo).status_code == 204


def test_an_empty_body_is_no_image(client: TestClient) -> None:
    refused(send(client, create(client), b""), 400, "invalid_request")


def test_an_image_of_another_kind_than_its_name_is_judged_by_its_content(
    client: TestClient, make_image: MakeImage
) -> None:
    upload = create(client, content_type="image/heic")
    assert send(client, upload, make_image("JPEG")).status_code == 204
    assert edit(client, upload).json()["input"]["content_type"] == "image/jpeg"


def test_what_is_no_image_is_refused_with_its_edit(client: TestClient) -> None:
    upload = create(client)
    assert send(client, upload, b"not a picture").status_code == 204
    refused(edit(client, upload), 415, "unsupported_media_type", "/image")


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("content_type", [None, "", "image/gif", "text/html", 7]),
        ("bytes", [0, -1, MAX_BYTES + 1, "many", 1.5]),
        ("ttl", [60]),
    ],
)
def test_a_wrong_field_is_named(client: TestClient, field: str, values: list[Any]) -> None:
    for value in values:
        body = {"content_type": "image/png", field: value}
        answer = client.post("/v1/uploads", json=body)
        refused(answer, 422, "validation_error", f"/{field}")


def test_an_address_has_one_spelling_and_expires(client: TestClient, photo: bytes) -> None:
    upload, other = create(client), create(client)
    path = path_of(upload)
    for wrong in (
        path[:-1] + ("0" if path[-1] != "0" else "1"),
        path.replace(upload["id"], other["id"]),
        path.replace("expires=1", "expires=2"),
        f"{path}&a=b",
        path.partition("?")[0],
    ):
        refused(client.put(wrong, content=photo, headers=PNG), 404, "not_found")
    refused(client.get(path), 405, "method_not_allowed")


def test_an_upload_that_is_none_has_no_image_or_is_anothers_is_answered_alike(
    client: TestClient, make_key: MakeKey, photo: bytes
) -> None:
    ann, ben = make_key("ann")[0], make_key("ben")[0]
    upload = create(client, headers=ann)
    empty = edit(client, upload, headers=ann)
    refused(empty, 422, "validation_error", "/image/upload")
    assert "Nothing has come" in empty.json()["errors"][0]["detail"]
    send(client, upload, photo)
    unknown = {"id": "upl_" + 32 * "0"}
    answers = [edit(client, one, headers=ben) for one in (upload, unknown, {"id": "x"})]
    assert len({(one.status_code, one.content) for one in answers}) == 1
    refused(answers[0], 422, "validation_error", "/image/upload")
    form = client.post("/v1/edits", data={"prompt": "x", "upload": upload["id"]}, headers=ben)
    assert form.status_code == 415  # neither a form with parts nor JSON
    files = {"prompt": (None, "x"), "upload": (None, upload["id"])}
    refused(client.post("/v1/edits", files=files, headers=ben), 422, "validation_error", "/upload")
    assert edit(client, upload, headers=ann).status_code == 202


def test_a_users_upload_is_for_its_edits_and_the_keys(
    client: TestClient, make_key: MakeKey, photo: bytes
) -> None:
    key = make_key()[0]
    ann, ben = (
        {"Authorization": f"Bearer {answer.json()['token']}"}
        for answer in (
            client.post("/v1/tokens", json={"user": user}, headers=key) for user in ("ann", "ben")
        )
    )
    first, second = create(client, headers=ann), create(client, headers=ann)
    for one in (first, second):
        assert send(client, one, photo).status_code == 204  # no token is needed for it
    assert edit(client, first, headers=ben).status_code == 422
    assert edit(client, first, headers=ann).json()["user"] == "ann"
    assert edit(client, second, headers=key).json()["user"] is None


@pytest.mark.parametrize("both", ["source", "image"])
def test_an_upload_and_another_image_are_too_many(
    client: TestClient, photo: bytes, both: str
) -> None:
    upload = create(client)
    files = {"prompt": (None, PROMPT), "upload": (None, upload["id"])}
    files |= {"source": (None, "edit_1")} if both == "source" else {"image": ("a.png", photo)}
    place = "/source" if both == "source" else "/upload"
    refused(client.post("/v1/edits", files=files), 422, "validation_error", place)
    body = {"prompt": PROMPT, "image": {"upload": upload["id"], "url": "https://a.example/b"}}
    refused(client.post("/v1/edits", json=body), 422, "validation_error", "/image")


# --- what is left of them


def stored(settings: Settings, upload: Any) -> bytes | None:
    return ImageStorage(settings.images_url).get(upload_prefix(upload["id"]), INPUT)


def let_deletions_come(raw: Any, store: EditStore, settings: Settings, seconds: float) -> None:
    """Do the housekeeper's part at a later time."""
    for prefix, due in raw.zscan_iter(names.DELETIONS):
        raw.zadd(names.DELETIONS, {prefix: due - seconds * 1000})
    delete_images(store, ImageStorage(settings.images_url))


def test_nothing_is_left_of_an_upload_that_no_edit_used(
    client: TestClient, store: EditStore, settings: Settings, raw: Any, photo: bytes
) -> None:
    upload = create(client)
    send(client, upload, photo)
    assert raw.hget(names.IMAGE_BYTES, "local") == str(MAX_BYTES)
    assert 3590 < raw.ttl(names.upload(upload["id"])) <= 3600
    let_deletions_come(raw, store, settings, 3600)
    assert stored(settings, upload) == photo  # a request may still be going on
    let_deletions_come(raw, store, settings, 3601)
    assert stored(settings, upload) is None
    assert not raw.exists(names.IMAGE_BYTES, names.PREFIX_BYTES, names.DELETIONS)


def test_a_used_upload_is_deleted_within_a_minute_and_its_photo_stays(
    client: TestClient, store: EditStore, settings: Settings, raw: Any, photo: bytes
) -> None:
    upload = create(client)
    send(client, upload, photo)
    submission = store.get(edit(client, upload).json()["id"]).submission
    assert not raw.exists(names.upload(upload["id"]))
    let_deletions_come(raw, store, settings, 61)
    assert stored(settings, upload) is None
    assert ImageStorage(settings.images_url).get(photo_prefix(submission), INPUT) == photo
    assert raw.hget(names.IMAGE_BYTES, "local") == str(len(photo))


def test_uploads_count_among_the_bytes_that_a_caller_holds(
    settings: Settings, store: EditStore, model: Model
) -> None:
    store.announce("worker-1", model)
    bounded = settings.model_copy(update={"image_mb_per_key": 3})
    with TestClient(create_app(bounded)) as client:
        create(client, bytes=2_000_000)
        create(client, bytes=1)  # counts as a megabyte
        answer = client.post("/v1/uploads", json={"content_type": "image/png", "bytes": 1})
        refused(answer, 403, "quota_exceeded")


# --- the image storage's own URL


@pytest.fixture
def direct(
    settings: Settings,
    store: EditStore,
    model: Model,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[tuple[TestClient, Settings]]:
    """Yield a client of a service whose images are in S3, and its settings."""
    with running_s3(tmp_path / "s3") as server:
        for name, text in server.settings.items():
            monkeypatch.setenv(name, text)
        there = settings.model_copy(update={"store_url": server.settings["BARET_STORE_URL"]})
        there.__dict__.pop("images_url", None)
        store.announce("worker-1", model)
        with TestClient(create_app(there)) as client:
            yield client, there


def test_with_an_object_store_the_image_goes_to_the_stores_own_url(
    direct: tuple[TestClient, Settings], store: EditStore, raw: Any, photo: bytes
) -> None:
    client, settings = direct
    upload = create(client, bytes=len(photo))
    assert "X-Amz-Signature=" in upload["url"]
    sent = httpx.put(upload["url"], content=photo, headers=upload["headers"], trust_env=False)
    assert sent.status_code == 200, sent.text
    made = edit(client, upload)
    assert made.status_code == 202, made.text
    # The URL still works, so what it brings is deleted once it does not.
    again = httpx.put(upload["url"], content=b"more", headers=upload["headers"], trust_env=False)
    assert again.status_code == 200
    let_deletions_come(raw, store, settings, 61)
    assert stored(settings, upload) == b"more"
    let_deletions_come(raw, store, settings, 7201)
    assert stored(settings, upload) is None
    submission = store.get(made.json()["id"]).submission
    assert ImageStorage(settings.images_url).get(photo_prefix(submission), INPUT) == photo


def test_the_store_takes_any_length_but_an_edit_does_not(
    direct: tuple[TestClient, Settings], photo: bytes
) -> None:
    client, _ = direct
    for data, status, code in (
        (photo + b"\0", 413, "image_too_large"),
        (photo[:-1], 400, "invalid_image"),
    ):
        upload = create(client, bytes=len(photo))
        httpx.put(upload["url"], content=data, headers=upload["headers"], trust_env=False)
        refused(edit(client, upload), status, code, "/image")


def test_a_store_that_apps_cannot_reach_is_left_to_the_service(
    direct: tuple[TestClient, Settings], photo: bytes
) -> None:
    _, settings = direct
    behind = settings.model_copy(update={"direct_uploads": False})
    with TestClient(create_app(behind)) as client:
        upload = create(client)
        assert "/v1/uploads/upl_" in upload["url"]
        assert send(client, upload, photo).status_code == 204
        assert edit(client, upload).status_code == 202
