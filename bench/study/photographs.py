"""Photographs of your own and their edits by any method, from a folder.

photos/ID.png             or .jpg, .jpeg, .webp
prompts.json              {"ID": "the sentence"}
edits/METHOD/ID.png
"""

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from baret.errors import ImageError
from baret.images import to_rgb
from bench.study.errors import SourceError
from bench.study.source import Edit, Source

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
KIND = "photo"  # of every edit


def load_photographs(folder: Path, methods: Sequence[str] | None = None) -> Source:
    """Read the photos, sentences and edits of a folder.

    Args:
        folder: see the module.
        methods: names of folders in `edits/`; None takes all.

    Raises:
        SourceError: something is missing or ambiguous; the message names it.
    """
    prompts = _prompts(folder / "prompts.json")
    photos = _images(folder / "photos")
    names = methods or sorted(path.name for path in _folders(folder / "edits"))
    edited = {name: _images(folder / "edits" / name) for name in names}
    for name, paths in edited.items():
        _refuse(paths.keys() - prompts.keys(), f"edits/{name} has edits without a prompt")
    used = set().union(*edited.values())
    _refuse(used - photos.keys(), "photos/ lacks photos of edits")
    edits = tuple(
        Edit(
            id=key,
            kind=KIND,
            prompt=prompts[key],
            photo=partial(_read, photos[key]),
            edited={
                name: partial(_read, paths[key]) for name, paths in edited.items() if key in paths
            },
        )
        for key in sorted(used)
    )
    return Source(edits, {"source": "photographs"})


def _prompts(path: Path) -> dict[str, str]:
    if not path.is_file():
        raise SourceError(
            f'{path} is missing. It maps each photo\'s id to its sentence: {{"ID": "…"}}'
        )
    try:
        data = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise SourceError(f"{path} is not JSON: {error}") from error
    if not isinstance(data, dict):
        raise SourceError(f'{path} must be one JSON object: {{"ID": "the sentence"}}')
    empty = {key for key, text in data.items() if not isinstance(text, str) or not text.strip()}
    _refuse(empty, f"{path} has no sentence for some ids")
    return {key: text.strip() for key, text in data.items()}


def _folders(parent: Path) -> list[Path]:
    if not parent.is_dir():
        raise SourceError(f"{parent} is missing. It holds one folder of edits per method.")
    return [path for path in parent.iterdir() if path.is_dir() and path.name[0] not in "._"]


def _images(folder: Path) -> dict[str, Path]:
    """Return the images of a folder by id, the file's name without its suffix."""
    if not folder.is_dir():
        raise SourceError(f"{folder} is missing or not a folder.")
    images: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in SUFFIXES or path.name.startswith("."):
            continue
        if path.stem in images:
            raise SourceError(
                f"{folder} has two images of {path.stem}: {images[path.stem].name} and {path.name}."
            )
        images[path.stem] = path
    if not images:
        raise SourceError(f"{folder} has no images; {', '.join(SUFFIXES)} are read.")
    return images


def _read(path: Path) -> Image.Image:
    try:
        with Image.open(path) as file:
            return to_rgb(file)
    except (OSError, UnidentifiedImageError, ValueError, ImageError) as error:
        raise SourceError(f"{path} cannot be read as an image: {error}") from error


def _refuse(ids: set[str], problem: str) -> None:
    if ids:
        shown = ", ".join(sorted(ids)[:5]) + (", …" if len(ids) > 5 else "")
        raise SourceError(f"{problem}: {shown}.")
