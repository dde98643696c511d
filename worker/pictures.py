"""Results encoded as they were asked for. A fresh encoding carries no metadata of the source."""

import hashlib
import io
from dataclasses import dataclass

from PIL import Image

from jobs.schema import OutputFormat, StoredPicture


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
