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


def test_a_name_does_not_lead_out_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"inside")
    files = PictureFiles((tmp_path / "pictures").as_uri())
    with pytest.raises(ValueError, match="illegal"):
        files.get("edit_1", "../../secret")
    assert files.get("edit_1", "..%2f..%2fsecret") is None


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
