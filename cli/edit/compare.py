"""A strip of one photo and its edits, to look at."""

import io
from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

MIN_HEIGHT, MAX_HEIGHT = 256, 768  # pixels of each image
GAP, MARGIN, LABEL = 8, 12, 28  # pixels
_BACKGROUND, _INK = "#ffffff", "#333333"


def strip(photo: Image.Image, outputs: Sequence[tuple[float, bytes]], prompt: str) -> Image.Image:
    """Return the photo and its edits side by side, with their strengths and the text.

    Args:
        photo: RGB, upright.
        outputs: strength and encoded image of each edit.
        prompt: the text.
    """
    height = min(MAX_HEIGHT, max(MIN_HEIGHT, photo.height))
    edits = [Image.open(io.BytesIO(data)).convert("RGB") for _, data in outputs]
    labels = ["before", *_labels([strength for strength, _ in outputs])]
    images = [_scaled(image, height) for image in (photo, *edits)]
    width = 2 * MARGIN + sum(image.width for image in images) + GAP * (len(images) - 1)
    sheet = Image.new("RGB", (width, 2 * MARGIN + height + 2 * LABEL), _BACKGROUND)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(16)
    left = MARGIN
    for image, label in zip(images, labels, strict=True):
        sheet.paste(image, (left, MARGIN))
        draw.text((left, MARGIN + height + 6), label, _INK, font)
        left += image.width + GAP
    text = _fitting(prompt, font, width - 2 * MARGIN)
    draw.text((MARGIN, MARGIN + height + LABEL + 4), text, _INK, font)
    return sheet


def _labels(strengths: Sequence[float]) -> list[str]:
    if len(strengths) == 1:
        return ["after"]
    return [f"strength {one:g}" for one in strengths]


def _scaled(image: Image.Image, height: int) -> Image.Image:
    width = max(1, round(image.width * height / image.height))
    return image.resize((width, height), Image.Resampling.LANCZOS)


def _fitting(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> str:
    """Return as much of a text as fits into a width in pixels."""
    line = " ".join(text.split())
    shown = line
    while shown and font.getlength(shown + ("" if shown == line else "…")) > width:
        shown = shown[:-1].rstrip()
    return shown if shown == line else shown + "…"
