"""What a folder of results was made from, so that a second run makes only what is missing."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cli.edit.backend import EditJob

NAME = "manifest.jsonl"


class Manifest:
    """A file of one JSON object per finished photo; the last one of a photo counts."""

    def __init__(self, folder: Path):
        """Read the folder's manifest, if it has one."""
        self._folder = folder
        self._path = folder / NAME
        self._done: dict[str, list[str]] = {}  # digest of the request → files
        with suppress(FileNotFoundError):
            for line in self._path.read_text("utf-8").splitlines():
                self._read(line)

    def _read(self, line: str) -> None:
        with suppress(ValueError, KeyError, TypeError):  # the last line of a run that was killed
            entry = json.loads(line)
            if entry["status"] == "succeeded":
                self._done[entry["request"]] = list(entry["files"])

    def files_of(self, digest: str) -> list[Path] | None:
        """Return the results of a request, if it was made and they all still exist."""
        files = [self._folder / name for name in self._done.get(digest, ())]
        return files if files and all(file.is_file() for file in files) else None

    def add(
        self, photo: str, digest: str, files: Sequence[Path], *, details: Mapping[str, Any]
    ) -> None:
        """Note a photo's results, or if there are no files, that it failed.

        Args:
            photo: its name.
            digest: of its request.
            files: the results, in the folder.
            details: the edit, or the error.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        entry = {
            "photo": photo,
            "status": "succeeded" if files else "failed",
            "files": [file.relative_to(self._folder).as_posix() for file in files],
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "request": digest,
            **details,
        }
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry, ensure_ascii=False) + "\n")


def digest_of(job: EditJob, *, model: str, out: Path) -> str:
    """Return the digest of all that decides what a photo's results show, and where they are."""
    text = json.dumps([job.prompt, job.params, model, out.as_posix()], sort_keys=True)
    return hashlib.sha256(hashlib.sha256(job.data).digest() + text.encode()).hexdigest()
