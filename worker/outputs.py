"""Results encoded as they were asked for, and what the record says of them."""

import base64
import hashlib
from dataclasses import dataclass, replace

from PIL import Image

from core.images.provenance import Marking
from core.schema import OutputFormat, StoredImage

SMALL_SIDE = 96  # pixels of a preview
SMALL_QUALITY = 60


@dataclass(frozen=True)
class Encoded:
    """A picture's bytes and what the record says of them."""

    data: bytes
    stored: StoredImage


@dataclass(frozen=True)
class Encoder:
    """Encodes the pictures that a model made."""

    marking: Marking
    model: str

    def encode(
        self,
        image: Image.Image,
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
        data = self.marking.encode(image, form, quality=quality, model=self.model)
        stored = StoredImage(
            name=f"{name}.{form.value}",
            interpolation=interpolation,
            width=image.width,
            height=image.height,
            content_type=form.content_type,
            sha256=hashlib.sha256(data).hexdigest(),
            bytes=len(data),
        )
        return Encoded(data, stored)

    def small_uri(self, image: Image.Image, size: tuple[int, int]) -> str:
        """The picture as a data URI, in the proportions of `size`, 96 pixels a side: 3 to 5 kB.

        Args:
            picture: RGB, of any size.
            size: width and height of what it is a picture of.
        """
        scale = min(1.0, SMALL_SIDE / max(size))
        width, height = (max(1, round(side * scale)) for side in size)
        # Unsigned: a manifest is several times as large.
        data = replace(self.marking, signer=None).encode(
            image.resize((width, height)),
            OutputFormat.WEBP,
            quality=SMALL_QUALITY,
            model=self.model,
        )
        return f"data:image/webp;base64,{base64.b64encode(data).decode()}"
