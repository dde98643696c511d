"""Results encoded as they were asked for. A fresh encoding carries no metadata of the source."""

import base64
import hashlib
import io
from dataclasses import dataclass

from PIL import Image

from jobs.schema import OutputFormat, StoredPicture

SMALL_SIDE = 96  # pixels of a preview
SMALL_QUALITY = 60


@dataclass(frozen=True)
class Encoded:
    """A picture's bytes and what the record says of them."""

    data: bytes
    stored: StoredPicture


def encode(
    picture: Image.Image,
    name: str,
    form: OutputFormat,
    *,
    quality: int,
    interpolation: float | None = None,
) -> Encoded:
    """Encode a picture.

    Args:
        picture: RGB.
        name: without extension, unique within the edit.
        form: PNG is lossless; WebP and JPEG take `quality`.
        quality: 1–100.
        interpolation: of an output; None for artifacts.
    """
    buffer = io.BytesIO()
    if form is OutputFormat.PNG:
        picture.save(buffer, "PNG")
    else:
        picture.save(buffer, form.value.upper(), quality=quality)
    data = buffer.getvalue()
    stored = StoredPicture(
        name=f"{name}.{form.value}",
        interpolation=interpolation,
        width=picture.width,
        height=picture.height,
        content_type=form.content_type,
        sha256=hashlib.sha256(data).hexdigest(),
        bytes=len(data),
    )
    return Encoded(data, stored)


def small_uri(picture: Image.Image, size: tuple[int, int]) -> str:
    """The picture as a data URI, in the proportions of `size`, at most 96 pixels a side: 2 to 4 kB.

    Args:
        picture: RGB, of any size.
        size: width and height of what it is a picture of.
    """
    scale = min(1.0, SMALL_SIDE / max(size))
    width, height = (max(1, round(side * scale)) for side in size)
    buffer = io.BytesIO()
    picture.resize((width, height)).save(buffer, "WEBP", quality=SMALL_QUALITY)
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"
