"""A decoded photo is for the method what the file itself would be."""

import io
from collections.abc import Callable
from typing import Any

import pytest
from PIL import ExifTags, Image

from baret.images import to_rgb
from core.images.inspection import inspect
from core.images.sandbox import DecoderSandbox
from tests.support import crafted_images as crafted

Make = Callable[..., bytes]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
@pytest.mark.parametrize("more", [{}, {"transparency": 3}, {"exif": crafted.unwritable_exif()}])
def test_every_kind_of_pixel_looks_the_same(make_image: Make, mode: str, more: Any) -> None:
    if mode in ("LA", "RGBA", "I;16", "RGB") and "transparency" in more:
        more = {"transparency": (1, 2, 3)} if mode == "RGB" else {}
    data = make_image("PNG", mode=mode, size=(64, 48), **more)
    decoded = to_rgb(DecoderSandbox().decode(data))
    assert decoded.size == ((48, 64) if "exif" in more else (64, 48))
    assert decoded.tobytes() == to_rgb(Image.open(io.BytesIO(data))).tobytes()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_is_turned_as_exif_says(make_image: Make, orientation: int) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    data = make_image("JPEG", size=(96, 64), exif=exif)
    decoded = DecoderSandbox().decode(data)
    inspected = inspect(data)
    assert decoded.size == (inspected.width, inspected.height)
    assert to_rgb(decoded).tobytes() == to_rgb(Image.open(io.BytesIO(data))).tobytes()
