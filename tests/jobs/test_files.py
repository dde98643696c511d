import os
import time
from pathlib import Path

import pytest

from jobs.errors import StoreUnavailable
from jobs.files import PictureFiles


def test_pictures_are_kept_by_edit_and_name(tmp_path: Path) -> None:
    files = PictureFiles((tmp_path / "a folder").as_uri())
    files.put("edit_1", "input", b"one")
    files.put("edit_2", "input", b"two")
    assert files.get("edit_1", "input") == b"one"
    assert files.get("edit_1", "output") is None
    files.delete("edit_1")
    files.delete("edit_1")
    assert files.get("edit_1", "input") is None
    assert files.get("edit_2", "input") == b"two"


def test_what_lies_under_a_prefix_is_listed_the_oldest_first(tmp_path: Path) -> None:
    files = PictureFiles(tmp_path.as_uri())
    files.put("kept/one", "a/late", b"12345")
    files.put("kept/one", "b", b"1")
    files.put("kept/other", "c", b"1")
    for name, seconds in (("b", 100), ("a/late", 200)):
        os.utime(tmp_path / "kept" / "one" / name, (seconds, seconds))
    listed = files.list("kept/one")
    assert [(kept.name, kept.size) for kept in listed] == [("b", 1), ("a/late", 5)]
    files.delete_one("kept/one", "b")
    files.delete_one("kept/one", "b")
    assert [kept.name for kept in files.list("kept/one")] == ["a/late"]
    assert files.list("nothing") == []


def test_a_folder_that_cannot_be_written_is_our_own_error(tmp_path: Path) -> None:
    files = PictureFiles((tmp_path / "pictures").as_uri())
    files.check_writable()
    # A file where the folder should be: permissions would not stop root.
    folder = tmp_path / "pictures"
    for path in sorted(folder.rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    folder.rmdir()
    folder.write_bytes(b"")
    with pytest.raises(StoreUnavailable):
        files.check_writable()


def test_an_object_store_that_is_down_is_our_own_error_soon(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, text in {
        "AWS_ENDPOINT": "http://127.0.0.1:1",
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": "someone",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, text)
    files = PictureFiles("s3://pictures")
    started = time.monotonic()
    with pytest.raises(StoreUnavailable):
        files.put("edit_1", "input", b"x")
    assert time.monotonic() - started < 15
