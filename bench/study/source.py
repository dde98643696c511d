"""Edits to compare: a photo, a sentence, and what each method made of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from PIL import Image

LoadImage = Callable[[], Image.Image]  # RGB, without metadata


@dataclass(frozen=True)
class Edit:
    """One photo with one sentence, edited by some methods."""

    id: str
    kind: str
    prompt: str
    photo: LoadImage
    edited: Mapping[str, LoadImage]  # by method


@dataclass(frozen=True)
class Source:
    """All edits, and where they come from."""

    edits: tuple[Edit, ...]
    about: Mapping[str, Any]  # for the key: model, settings, …; plain JSON
