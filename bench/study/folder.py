"""The study folder: what raters see, the images, and the key that they never see."""

import json
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from bench.common.files import write_json
from bench.study.errors import FolderError
from bench.study.pairs import Pair
from bench.study.source import LoadImage

STUDY, KEY, IMAGES, ANSWERS, SHEETS = "study.json", "key.json", "images", "answers", "sheets"

M = TypeVar("M", bound=BaseModel)


class ShownPair(BaseModel):
    """A pair as raters see it; images by their random names."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pair: int  # from 1, in the order of the page
    prompt: str
    photo: str
    left: str
    right: str


class KeyEntry(BaseModel):
    """What an edited image is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    edit: str
    kind: str
    method: str


class _Study(BaseModel):
    pairs: tuple[ShownPair, ...]


class _Key(BaseModel):
    about: dict[str, Any]
    images: dict[str, KeyEntry]


class Study:
    """An existing study folder."""

    def __init__(self, folder: Path):
        """Read the pairs.

        Raises:
            FolderError: the folder is not a complete study.
        """
        self.folder = folder
        self.pairs = _read(folder / STUDY, _Study).pairs

    @property
    def answers(self) -> Path:
        """The folder of the answers."""
        return self.folder / ANSWERS

    def image(self, name: str) -> Path:
        """Return the path of an image."""
        return self.folder / IMAGES / f"{name}.png"

    def key(self) -> Mapping[str, KeyEntry]:
        """Read which method made which image, by the image's name.

        Raises:
            FolderError: the key is missing or damaged.
        """
        return _read(self.folder / KEY, _Key).images


def write(folder: Path, pairs: Sequence[Pair], seed: int, about: Mapping[str, Any]) -> Study:
    """Write a study folder; the list of pairs comes last, so that half a study is none.

    Raises:
        FolderError: the folder is not empty.
        SourceError: an image cannot be read.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FolderError(f"{folder} exists and is not empty; choose another folder.")
    images = _Images(folder / IMAGES, seed)
    shown, key = [], {}
    for number, pair in enumerate(pairs, 1):
        edit = pair.edit
        photo = images.add((edit.id, None), edit.photo)
        sides = [images.add((edit.id, m), edit.edited[m]) for m in (pair.left, pair.right)]
        for name, method in zip(sides, (pair.left, pair.right), strict=True):
            key[name] = KeyEntry(edit=edit.id, kind=edit.kind, method=method)
        shown.append(
            ShownPair(pair=number, prompt=edit.prompt, photo=photo, left=sides[0], right=sides[1])
        )
    write_json(folder / KEY, _Key(about={**about, "seed": seed}, images=key).model_dump())
    write_json(folder / STUDY, _Study(pairs=tuple(shown)).model_dump())
    return Study(folder)


class _Images:
    """Images saved once each, under names that depend on nothing but the seed and the order."""

    def __init__(self, folder: Path, seed: int):
        self._folder = folder
        self._rng = random.Random(f"names {seed}")
        self._names: dict[tuple[str, str | None], str] = {}
        folder.mkdir(parents=True, exist_ok=True)

    def add(self, image: tuple[str, str | None], load: LoadImage) -> str:
        """Save an image (edit, method or None for the photo) if it is new; return its name."""
        if image not in self._names:
            self._names[image] = f"{self._rng.getrandbits(64):016x}"
            load().save(self._folder / f"{self._names[image]}.png")
        return self._names[image]


def _read(path: Path, model: type[M]) -> M:
    if not path.is_file():
        raise FolderError(
            f"{path} is missing: this is not a study that `python -m bench.study prepare` wrote."
        )
    try:
        return model.model_validate(json.loads(path.read_text("utf-8")))
    except (ValueError, ValidationError) as error:
        raise FolderError(f"{path} is damaged: {error}") from error
