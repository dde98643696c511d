"""Encodes the images that an edit made, and describes them for the record."""

import base64
import hashlib
from dataclasses import dataclass, replace

from PIL import Image

from baret import EditResult
from baret.heatmaps import attention_sheet
from core.images.keys import artifact_stem, output_stem
from core.images.provenance import Marking
from core.schema import OutputFormat, Params, StoredImage

PREVIEW_SIDE = 96  # pixels
PREVIEW_QUALITY = 60


@dataclass(frozen=True)
class EncodedImage:
    """An image's bytes and its entry in the record."""

    data: bytes
    stored: StoredImage


@dataclass(frozen=True)
class EncodedResult:
    """The images of an edit: outputs in their order, artifacts by kind."""

    outputs: list[EncodedImage]
    artifacts: dict[str, EncodedImage]

    @property
    def images(self) -> list[EncodedImage]:
        """Return all of them."""
        return [*self.outputs, *self.artifacts.values()]


@dataclass(frozen=True)
class ImageEncoder:
    """Encodes the images that a model made."""

    marking: Marking
    model: str

    def encode(
        self,
        image: Image.Image,
        name: str,
        form: OutputFormat,
        *,
        quality: int,
        strength: float | None = None,
    ) -> EncodedImage:
        """Encode an image.

        Args:
            image: RGB.
            name: without extension, unique within the edit.
            form: PNG is lossless; WebP and JPEG take `quality`.
            quality: 1–100.
            strength: of an output; None for artifacts.
        """
        data = self.marking.encode(image, form, quality=quality, model=self.model)
        stored = StoredImage(
            name=f"{name}.{form.value}",
            strength=strength,
            width=image.width,
            height=image.height,
            content_type=form.content_type,
            sha256=hashlib.sha256(data).hexdigest(),
            bytes=len(data),
        )
        return EncodedImage(data, stored)

    def encode_result(self, edited: EditResult, params: Params, *, attempt: int) -> EncodedResult:
        """Encode what an attempt at an edit made, under names that no other attempt uses."""
        outputs = [
            self.encode(
                output.image,
                output_stem(attempt, i),
                params.output_format,
                quality=params.quality,
                strength=output.strength,
            )
            for i, output in enumerate(edited.outputs)
        ]
        artifacts = self._encode_artifacts(edited, attempt) if params.artifacts else {}
        return EncodedResult(outputs, artifacts)

    def _encode_artifacts(self, edited: EditResult, attempt: int) -> dict[str, EncodedImage]:
        first = edited.outputs[0]
        images = {
            "photo": Image.fromarray(edited.inversion.photo),
            "reconstruction": edited.reconstruction,
        }
        if first.transition is not None:
            images["transition"] = first.transition
        if first.attention:
            images["attention"] = attention_sheet(first.attention)
        if first.mask is not None:
            images["mask"] = first.mask.convert("RGB")
        return {
            kind: self.encode(image, artifact_stem(attempt, kind), OutputFormat.PNG, quality=100)
            for kind, image in images.items()
        }

    def preview_uri(self, image: Image.Image, size: tuple[int, int]) -> str:
        """Return a data URI of 3 to 5 kB: at most 96 pixels a side, with the proportions of `size`.

        Args:
            image: RGB, of any size.
            size: width and height of the photo that the preview is of.
        """
        scale = min(1.0, PREVIEW_SIDE / max(size))
        width, height = (max(1, round(side * scale)) for side in size)
        # Unsigned, because a manifest is several times as large as the preview.
        data = replace(self.marking, signer=None).encode(
            image.resize((width, height)),
            OutputFormat.WEBP,
            quality=PREVIEW_QUALITY,
            model=self.model,
        )
        return f"data:image/webp;base64,{base64.b64encode(data).decode()}"
