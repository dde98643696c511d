"""What the tests of the worker share to look at stored images."""

import io
from collections.abc import Callable

from PIL import Image

from core.images.storage import ImageStorage


def opened(files: ImageStorage, edit_id: str, name: str) -> Image.Image:
    data = files.get(edit_id, name)
    assert data is not None
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def image_names(files: ImageStorage, edit_id: str, attempt: int) -> list[str]:
    """Return which of the images that an attempt could write exist."""
    kinds = ("output-0", "reconstruction", "transition", "attention")
    names = [f"{attempt}-{kind}.png" for kind in kinds]
    return [name for name in names if files.get(edit_id, name) is not None]


class WatchedFiles(ImageStorage):
    """A store that calls a function before it writes an image."""

    def __init__(self, url: str, before_put: Callable[[], None]):
        super().__init__(url)
        self._before_put = before_put

    def put(self, edit_id: str, name: str, data: bytes, content_type: str | None = None) -> None:
        self._before_put()
        super().put(edit_id, name, data, content_type)
