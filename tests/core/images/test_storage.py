import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from core.errors import StoreUnavailable
from core.images.storage import ImageStorage
from tests.support.s3 import S3, running_s3


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    with running_s3(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture
def in_s3(s3: S3, monkeypatch: pytest.MonkeyPatch) -> ImageStorage:
    for name, text in s3.settings.items():
        monkeypatch.setenv(name, text)
    return ImageStorage(s3.settings["BARET_STORE_URL"])


@pytest.fixture(params=["a folder", "S3"])
def files(request: pytest.FixtureRequest, tmp_path: Path) -> ImageStorage:
    """An empty storage of each kind."""
    if request.param == "S3":
        storage: ImageStorage = request.getfixturevalue("in_s3")
        return storage
    return ImageStorage((tmp_path / "a folder").as_uri())


def test_pictures_are_kept_by_edit_and_name(files: ImageStorage) -> None:
    files.check_writable()
    files.put("edit_1", "input", b"one")
    files.put("edit_2", "input", b"two")
    assert files.get("edit_1", "input") == b"one"
    assert files.get("edit_1", "output") is None
    files.delete("edit_1")
    files.delete("edit_1")
    assert files.get("edit_1", "input") is None
    assert files.get("edit_2", "input") == b"two"


def test_what_lies_under_a_prefix_is_listed_the_oldest_first(tmp_path: Path) -> None:
    files = ImageStorage(tmp_path.as_uri())
    files.put("kept/one", "a/late", b"12345")
    files.put("kept/one", "b", b"1")
    files.put("kept/other", "c", b"1")
    for name, seconds in (("b", 100), ("a/late", 200)):
        os.utime(tmp_path / "kept" / "one" / name, (seconds, seconds))
    listed = files.list("kept/one")
    assert [(stored.name, stored.size) for stored in listed] == [("b", 1), ("a/late", 5)]
    files.delete_one("kept/one", "b")
    files.delete_one("kept/one", "b")
    assert [stored.name for stored in files.list("kept/one")] == ["a/late"]
    assert files.list("nothing") == []


def test_writing_and_deleting_at_the_same_time_loses_nothing(tmp_path: Path) -> None:
    stores = [ImageStorage(tmp_path.as_uri()) for _ in range(4)]

    def work(files: ImageStorage) -> None:
        for number in range(200):
            files.put(f"edit_{number % 2:032}", "input", b"photo")
            files.delete(f"edit_{(number + 1) % 2:032}")

    with ThreadPoolExecutor() as pool:
        list(pool.map(work, stores))  # raises what a thread raised
    for number in range(2):
        stores[0].delete(f"edit_{number:032}")
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_folder_that_cannot_be_written_is_our_own_error(tmp_path: Path) -> None:
    files = ImageStorage((tmp_path / "pictures").as_uri())
    files.check_writable()
    # A file in place of the folder, because permissions would not stop root.
    folder = tmp_path / "pictures"
    for path in sorted(folder.rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    folder.rmdir()
    folder.write_bytes(b"")
    with pytest.raises(StoreUnavailable):
        files.check_writable()


def test_an_object_store_that_is_down_is_our_own_error_soon(s3: S3, in_s3: ImageStorage) -> None:
    s3.kill()
    try:
        started = time.monotonic()
        with pytest.raises(StoreUnavailable):
            in_s3.put("edit_1", "input", b"x")
        assert time.monotonic() - started < 90  # obstore by itself would try for three minutes
    finally:
        s3.start()
    in_s3.put("edit_1", "input", b"x")
