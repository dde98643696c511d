"""What the service stores is readable for its own user alone: photos, prompts, secrets, logs."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def keep_private(folder: Path) -> None:
    """Let no other user read what this process writes, nor what lies in a folder already.

    A folder that others could enter is closed, with everything in it. It need not exist.

    Raises:
        PermissionError: the folder is another user's, so its mode cannot be changed.
    """
    os.umask(_OTHERS)
    if not folder.is_dir() or not folder.stat().st_mode & _OTHERS:
        return
    # The folder itself may be a link: its owner chose where the data lie.
    for path in (folder.resolve(), *_contents(folder.resolve())):
        _close(path)


def _contents(folder: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder):
        yield from (Path(parent, name) for name in (*folders, *files))


def _close(path: Path) -> None:
    # A link's target is not ours to change. What another process has just deleted needs no mode.
    if path.is_symlink():
        return
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & _OTHERS:
            path.chmod(mode & ~_OTHERS)
    except FileNotFoundError:
        return
