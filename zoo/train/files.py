"""Writes that are whole or not there, whenever the process dies."""

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
    """Yield a path beside `path` to write to; what is there takes `path`'s place at the end."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.draft")
    _remove(draft)
    yield draft
    _open(draft)
    if draft.is_dir() and path.exists():  # a folder cannot be renamed onto a full one
        old = path.with_name(f".{path.name}.old")
        _remove(old)
        path.rename(old)
        draft.rename(path)
        _remove(old)
    else:
        draft.replace(path)


def _open(path: Path) -> None:
    """Let others read: safetensors files are written for their owner alone."""
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
    """Yield an array on disk to fill; the file is at `path` once it is full."""
    with replacing(path) as draft:
        array = np.lib.format.open_memmap(draft, "w+", dtype, shape)
        yield array
        array.flush()


def read_json(path: Path) -> dict[str, Any]:
    """Return a JSON object; empty if there is no file."""
    found: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    return found


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Return a JSON object."""
    with replacing(path) as draft:
        draft.write_text(json.dumps(value, indent=2) + "\n", "utf-8")


def append_json(path: Path, value: dict[str, Any]) -> None:
    """One more line of a `.jsonl`."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(value) + "\n")
