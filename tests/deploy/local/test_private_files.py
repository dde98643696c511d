"""Another user of the machine reads nothing of the stack: neither new files nor older ones."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.commands import ROOT, RunningStack

Start = Callable[..., RunningStack]
NOBODY = 65534


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """Return a folder that every user can enter: pytest's own is closed."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def readable_for_others(folder: Path) -> list[str]:
    """Return what another user can read below a folder, or enter."""
    found = subprocess.run(
        ["find", str(folder), "-mindepth", "1", "-readable"],  # noqa: S607
        user=NOBODY,
        group=NOBODY,
        extra_groups=(),
        capture_output=True,
        text=True,
        check=False,
    )
    return found.stdout.splitlines()


def open_to_others(folder: Path) -> list[Path]:
    """Return what has a mode that lets others in."""
    paths = [path for path in (folder, *folder.rglob("*")) if not path.is_symlink()]
    return [path for path in paths if path.stat().st_mode & 0o077]


def old_data(data: Path) -> None:
    """Make a data folder as earlier versions left it."""
    photo = data / "pictures" / "edit_1" / "input"
    photo.parent.mkdir(parents=True)
    photo.write_bytes(b"a photo")
    (data / "valkey").mkdir()
    (data / "valkey" / "old.aof").write_text("whsec_secret")
    for path in (data, *data.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)


def test_what_the_stack_stores_is_its_users_alone_older_data_included(
    start: Start, tmp_path: Path
) -> None:
    data = tmp_path / "my data"
    old_data(data)
    outside = tmp_path / "outside"
    outside.write_text("not ours to change")
    outside.chmod(0o644)
    (data / "link").symlink_to(outside)
    if os.geteuid() == 0:
        assert str(data / "valkey" / "old.aof") in readable_for_others(tmp_path)
    stack = start().ready()
    assert (stack.data / "redis.url").exists()
    assert list(stack.data.rglob("*.aof")) and (stack.data / "sample" / "after.png").exists()
    assert open_to_others(data) == []
    assert outside.stat().st_mode & 0o777 == 0o644
    if os.geteuid() == 0:  # only root can become another user
        assert str(outside) in readable_for_others(tmp_path)
        assert readable_for_others(data) == []


WRITE = """
import sys
from core.images.storage import ImageStorage
from core.settings import read_settings
settings = read_settings("x", "x")
ImageStorage(settings.images_url).put("edit_1", "input", b"a photo")
"""


@pytest.mark.parametrize("is_new", [True, False])
def test_images_that_a_process_stores_are_its_users_alone(tmp_path: Path, is_new: bool) -> None:
    data = tmp_path / "data"
    if not is_new:
        old_data(data)
    subprocess.run(
        [sys.executable, "-c", WRITE],
        env={"BARET_DATA_DIR": str(data), "PYTHONPATH": str(ROOT)},
        umask=0,
        check=True,
    )
    assert (data / "pictures" / "edit_1" / "input").read_bytes() == b"a photo"
    assert open_to_others(data) == []


def test_a_data_folder_of_another_user_that_others_can_read_is_not_used(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can make a folder of another user")
    data = tmp_path / "data"
    old_data(data)
    code = "from core.private_files import keep_private as k; import sys, pathlib\n" + (
        "try: k(pathlib.Path(sys.argv[1]))\nexcept PermissionError: print('refused')"
    )
    # As the code lies where only root may read, a process of root's gives up its rights first.
    drop = f"import os; import core.private_files; os.setgid({NOBODY}); os.setuid({NOBODY})\n"
    done = subprocess.run(
        [sys.executable, "-c", drop + code, str(data)],
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.returncode) == ("refused\n", 0), done.stderr
