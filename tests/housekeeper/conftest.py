"""Edits as the front end submits them, with a real Valkey and a real folder of images. No torch."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.images.keys import photo_prefix
from core.images.storage import ImageStorage
from core.schema import Submission
from core.store.edits import EditStore


@pytest.fixture
def files(tmp_path: Path) -> ImageStorage:
    return ImageStorage((tmp_path / "images").as_uri())


@pytest.fixture
def submit(
    store: EditStore,
    files: ImageStorage,
    submission: Callable[..., Submission],
    make_image: Callable[..., bytes],
) -> Callable[..., str]:
    """Submit an edit as the front end does; names are parameters."""

    def accept(**params: Any) -> str:
        made = submission(**params)
        files.put(photo_prefix(made), "input", make_image())
        store.submit(made, limit=10)
        return made.id

    return accept
