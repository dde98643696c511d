"""Outputs read straight from the object store: an output's address leads on to the store's own."""

from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from fastapi.testclient import TestClient

from api.app import create_app
from core.images.storage import ImageStorage
from core.settings import Settings
from tests.support.api_app import settings_of
from tests.support.s3 import running_s3


@pytest.fixture
def settings(redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """Yield the settings of a service whose images lie in S3."""
    with running_s3(tmp_path / "s3") as server:
        for name, text in server.settings.items():
            monkeypatch.setenv(name, text)
        store = {"store_url": server.settings["BARET_STORE_URL"], "direct_downloads": True}
        yield settings_of(redis_url, tmp_path).model_copy(update=store)


def output_of(client: TestClient, post: Callable[..., httpx.Response], finish: Callable) -> str:
    edit = post().json()
    finish()
    address: str = client.get(f"/v1/edits/{edit['id']}").json()["outputs"][0]["url"]
    return address


def test_an_outputs_address_leads_to_the_store(client, post, finish):
    address = output_of(client, post, finish)
    answer = client.get(address, follow_redirects=False)
    assert answer.status_code == 307 and answer.headers["Cache-Control"] == "no-store"
    stored = httpx.get(answer.headers["Location"], trust_env=False)
    assert stored.status_code == 200 and stored.headers["Content-Type"] == "image/png"
    edit_id = address.split("/")[-2]
    with_key = client.get(f"/v1/edits/{edit_id}/image")  # through the service, as before
    assert with_key.status_code == 200 and with_key.content == stored.content
    assert client.head(address, follow_redirects=False).status_code == 200


def test_a_wrong_address_leads_nowhere_and_a_deleted_image_is_gone(client, post, finish, settings):
    address = output_of(client, post, finish)
    wrong = client.get(f"{address[:-1]}x", follow_redirects=False)
    assert wrong.status_code == 404 and "Location" not in wrong.headers
    location = client.get(address, follow_redirects=False).headers["Location"]
    ImageStorage(settings.images_url).delete(address.split("/")[-2])
    assert httpx.get(location, trust_env=False).status_code == 404


def test_the_page_may_show_images_of_the_store(client, settings, redis_url, tmp_path):
    location = urlsplit(ImageStorage(settings.images_url).sign_get("a", "b", seconds=1))
    policy = client.get("/").headers["Content-Security-Policy"]
    assert f"img-src 'self' blob: data: {location.scheme}://{location.netloc};" in policy
    with TestClient(create_app(settings_of(redis_url, tmp_path / "other"))) as usual:
        assert "img-src 'self' blob: data:;" in usual.get("/").headers["Content-Security-Policy"]
