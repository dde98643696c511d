"""Deleting edits, and answers about those that have expired."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
import redis
from fastapi.testclient import TestClient
from httpx import Response

from api.app import create_app
from core.images.keys import new_photo_prefix
from core.images.storage import ImageStorage
from core.settings import Settings
from core.store import keys
from core.store.edits import EditStore
from tests.support.problems import assert_problem

Post = Callable[..., Response]
Finish = Callable[..., Any]


def names(settings: Settings) -> list[str]:
    """Return every file and folder in the image storage."""
    folder = settings.data_dir / "pictures"
    return [str(path.relative_to(folder)) for path in folder.rglob("*")]


@pytest.mark.parametrize("state", ["queued", "running", "succeeded"])
def test_a_deleted_edit_is_gone_with_its_pictures(
    post: Post,
    client: TestClient,
    store: EditStore,
    finish: Finish,
    settings: Settings,
    state: str,
) -> None:
    edit_id = post().json()["id"]
    url = f"/v1/edits/{edit_id}"
    images = []
    if state == "running":
        store.claim("zoo")
    elif state == "succeeded":
        finish()
        images = [output["url"] for output in client.get(url).json()["outputs"]]
    answer = client.delete(url)
    assert (answer.status_code, answer.content) == (204, b"")
    for ask in (client.get, client.delete):
        assert_problem(ask(url), 404, "not_found")
    assert_problem(client.get(f"{url}/image"), 404, "not_found")
    assert_problem(client.post(f"{url}/cancel"), 404, "not_found")
    for image in images:
        assert_problem(client.get(image), 404, "not_found")
    assert client.get("/v1/edits").json()["data"] == []
    assert names(settings) == []


def test_deleting_one_edit_leaves_the_others(
    post: Post, client: TestClient, finish: Finish
) -> None:
    first, second = (post().json()["id"] for _ in range(2))
    finish()
    finish()
    client.delete(f"/v1/edits/{first}")
    assert [edit["id"] for edit in client.get("/v1/edits").json()["data"]] == [second]
    assert client.get(f"/v1/edits/{second}/image").status_code == 200


def test_waiting_for_an_edit_that_is_deleted_ends_with_not_found(
    post: Post, client: TestClient
) -> None:
    edit_id = post().json()["id"]
    client.delete(f"/v1/edits/{edit_id}")
    assert_problem(client.get(f"/v1/edits/{edit_id}?wait=30"), 404, "not_found")


def test_an_edit_expires_as_the_settings_say(
    settings: Settings, client: TestClient, post: Post, finish: Finish, make_image: Any
) -> None:
    short = settings.model_copy(update={"retention": 120.0})
    with TestClient(create_app(short)) as other:
        edit = other.post(
            "/v1/edits", data={"prompt": "a cat"}, files={"image": make_image()}
        ).json()
    assert edit["expires_at"] is None
    finish()
    edit = client.get(f"/v1/edits/{edit['id']}").json()
    retention = datetime.fromisoformat(edit["expires_at"]) - datetime.fromisoformat(
        edit["completed_at"]
    )
    assert retention == timedelta(seconds=120)
    # Image URLs expire with the images.
    seconds = int(client.get(edit["outputs"][0]["url"]).headers["cache-control"].split("=")[1])
    assert 100 < seconds <= 120


def test_an_expired_edit_is_told_apart_from_one_that_never_was(
    post: Post, client: TestClient, finish: Finish, store: EditStore, redis_url: str
) -> None:
    edit_id = post().json()["id"]
    finish()
    with redis.Redis.from_url(redis_url) as raw:
        raw.hset(keys.edit(edit_id), "expires_ms", 1)
        raw.zadd(keys.EXPIRING, {edit_id: 1})
    url = f"/v1/edits/{edit_id}"
    for _ in range(2):  # before the housekeeper has run, and after
        for ask in (
            client.get(url),
            client.get(f"{url}/image"),
            client.get(f"{url}/events"),
            client.post(f"{url}/cancel"),
            client.delete(url),
        ):
            assert_problem(ask, 410, "expired")
        assert client.get("/v1/edits").json()["data"] == []
        assert store.expire(limit=10) in ([edit_id], [])


def test_an_expired_edit_is_no_source(
    post: Post, client: TestClient, finish: Finish, redis_url: str
) -> None:
    edit_id = post().json()["id"]
    finish()
    with redis.Redis.from_url(redis_url) as raw:
        raw.hset(keys.edit(edit_id), "expires_ms", 1)
    answer = client.post("/v1/edits", json={"prompt": "a dog", "source": edit_id})
    assert_problem(answer, 422, "validation_error")
    assert answer.json()["errors"][0]["pointer"] == "/source"


def test_the_picture_store_being_away_does_not_keep_an_edit(
    post: Post, client: TestClient, settings: Settings, store: EditStore
) -> None:
    edit_id = post().json()["id"]
    prefix = new_photo_prefix(edit_id)
    folder = settings.data_dir / "pictures" / prefix
    (folder / "input").unlink()
    folder.rmdir()
    folder.write_text("a file where a folder was")
    assert client.delete(f"/v1/edits/{edit_id}").status_code == 204
    assert prefix in iter(store.claim_deletion, None)
    folder.unlink()
    ImageStorage(settings.images_url).delete(prefix)
