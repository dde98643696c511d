"""Which photos to edit: files, folders, patterns, and `-` for standard input."""

import glob
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cli.errors import BadPhoto

STDIN = "-"
# The formats that are read (docs/api.md). In a folder, other files are passed over.
SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".heic", ".heif", ".avif"})


@dataclass(frozen=True)
class Photo:
    """One photo."""

    path: Path | None  # None: standard input
    below: Path  # its name, below the folder that was given

    @property
    def name(self) -> str:
        """What people call it."""
        return STDIN if self.path is None else str(self.path)

    def read(self) -> bytes:
        """Return the file's bytes.

        Raises:
            BadPhoto: it cannot be read, or nothing is piped in.
        """
        if self.path is not None:
            try:
                return self.path.read_bytes()
            except OSError as error:
                raise BadPhoto(f"Cannot read {self.path}: {error.strerror}.") from error
        if sys.stdin.isatty():
            raise BadPhoto("`-` reads the photo from standard input, and nothing is piped into it.")
        data = sys.stdin.buffer.read()
        if not data:
            raise BadPhoto("Standard input is empty.")
        return data


def find_photos(given: Iterable[str]) -> tuple[list[Photo], bool]:
    """Return the photos that arguments name, and whether they name a folder or a pattern.

    Raises:
        BadPhoto: an argument leads to no photo.
    """
    photos: dict[str, Photo] = {}
    several = False
    for text in given:
        found, of_many = _photos_of(text)
        several = several or of_many
        photos |= {one.name: one for one in found if one.name not in photos}
    return list(photos.values()), several or len(photos) > 1


def _photos_of(text: str) -> tuple[list[Photo], bool]:
    if text == STDIN:
        return [Photo(None, Path("stdin"))], False
    path = Path(text)
    if path.is_dir():
        files = [one for one in sorted(path.rglob("*")) if one.suffix.lower() in SUFFIXES]
        if not files:
            raise BadPhoto(f"There is no photo in {path}/ (JPEG, PNG, WebP, HEIC or AVIF).")
        return [Photo(one, one.relative_to(path)) for one in files], True
    if path.exists():
        return [Photo(path, Path(path.name))], False
    if glob.has_magic(text):
        # Path.glob takes no pattern that begins at the root.
        names = sorted(glob.glob(text, recursive=True))  # noqa: PTH207
        files = [Path(one) for one in names]
        if files := [one for one in files if one.is_file()]:
            return [Photo(one, Path(one.name)) for one in files], True
        raise BadPhoto(f"No file matches {text}.")
    raise BadPhoto(f"There is no photo {text}. Photos come first, then the text in quotes.")
