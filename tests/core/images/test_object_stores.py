"""Object stores of three kinds: the same operations, and URLs of their own that need no key."""

from collections.abc import Iterator

import httpx
import pytest

from core.images.storage import ImageStorage
from tests.support.azurite import Azurite, running_azurite
from tests.support.gcs import GCS, running_gcs
from tests.support.s3 import S3, running_s3

Store = S3 | GCS | Azurite


@pytest.fixture(
    scope="module",
    params=["S3", "GCS", pytest.param("Azure", marks=[pytest.mark.slow, pytest.mark.node])],
)
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Store]:
    folder = tmp_path_factory.mktemp("store")
    running = {
        "S3": lambda: running_s3(folder / "s3"),
        "GCS": lambda: running_gcs(folder / "gcs"),
        "Azure": running_azurite,
    }
    with running[request.param]() as server:
        yield server


@pytest.fixture
def storage(server: Store, monkeypatch: pytest.MonkeyPatch) -> ImageStorage:
    """Open it by the variables that docs/deploy.md names."""
    for name, text in server.settings.items():
        monkeypatch.setenv(name, text)
    return ImageStorage(server.settings["BARET_STORE_URL"])


def test_images_are_written_read_listed_and_deleted(storage: ImageStorage) -> None:
    storage.check_writable()
    for name in ("input", "output-0.png"):
        storage.put("edit_1", name, name.encode(), "image/png")
    storage.put("edit_2", "input", b"another's")
    assert storage.get("edit_1", "output-0.png") == b"output-0.png"
    assert storage.get("edit_1", "output-1.png") is None
    assert {(one.name, one.size) for one in storage.list("edit_1")} == {
        ("input", 5),
        ("output-0.png", 12),
    }
    storage.delete_one("edit_1", "input")
    storage.delete_one("edit_1", "input")
    assert [one.name for one in storage.list("edit_1")] == ["output-0.png"]
    storage.delete("edit_1")
    storage.delete("edit_1")
    assert storage.list("edit_1") == []
    assert storage.get("edit_2", "input") == b"another's"


def test_its_own_urls_take_and_give_one_image(storage: ImageStorage, server: Store) -> None:
    put = storage.sign_put("upload_1", "image", seconds=60)
    sent = httpx.put(
        put.url,
        headers=put.headers | {"Content-Type": "image/png"},
        content=b"photo",
        trust_env=False,
    )
    assert sent.status_code in (200, 201), sent.text
    assert storage.get("upload_1", "image") == b"photo"
    url = storage.sign_get("upload_1", "image", seconds=60)
    answer = httpx.get(url, trust_env=False)
    assert (answer.status_code, answer.content) == (200, b"photo")
    assert answer.headers["Content-Type"] == "image/png"
    assert not allows(server, "GET", url.replace("upload_1", "upload_2"))
    assert not allows(server, "PUT", url)
    assert allows(server, "GET", url)


def allows(server: Store, method: str, url: str) -> bool:
    """Return whether the store takes the URL's signature for this method."""
    if isinstance(server, GCS):  # its stand-in checks none
        return server.is_signed_by(method, url)
    headers = {"x-ms-blob-type": "BlockBlob"} if isinstance(server, Azurite) else {}
    return httpx.request(method, url, headers=headers, trust_env=False).is_success
