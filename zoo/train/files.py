"""Writes files and folders atomically, even if the process dies."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a draft path next to `path`; at the end, the draft replaces `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.draft")
    _remove(draft)
    yield draft
    _open(draft)
    if draft.is_dir() and path.exists():  # a folder cannot be renamed onto a non-empty one
        old = path.with_name(f".{path.name}.old")
        _remove(old)
        path.rename(old)
        draft.rename(path)
        _remove(old)
    else:
        draft.replace(path)


def _open(path: Path) -> None:
    """Make files readable for others; safetensors files are created for their owner alone."""
    for file in [path] if path.is_file() else path.rglob("*"):
        if file.is_file():
            file.chmod(0o644)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def new_array(path: Path, shape: tuple[int, ...], dtype: Any) -> Iterator[NDArray[Any]]:
    """Yield an array on disk to fill; the file appears at `path` afterwards."""
    with replacing(path) as draft:
        array = np.lib.format.open_memmap(draft, "w+", dtype, shape)
        yield array
        array.flush()


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object, or return an empty one if there is no file."""
    found: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    return found


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Write a JSON object."""
    with replacing(path) as draft:
        draft.write_text(json.dumps(value, indent=2) + "\n", "utf-8")


def append_json(path: Path, value: dict[str, Any]) -> None:
    """Append a line to a `.jsonl` file."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(value) + "\n")
