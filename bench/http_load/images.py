"""JPEGs to send: noise, smoothed to about the detail of a photo."""

import io

import numpy as np
from PIL import Image

PHOTO = (2400, 1800)
LARGE = (8000, 5000)  # 40 megapixels


def jpeg(size: tuple[int, int], *, quality: int, coarse: int = 4) -> bytes:
    """Make a JPEG; the smaller `coarse`, the more detail."""
    width, height = size
    noise = np.random.default_rng(0).integers(0, 256, (height // coarse, width // coarse, 3))
    image = Image.fromarray(noise.astype(np.uint8)).resize(size, Image.Resampling.BICUBIC)
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return file.getvalue()


def jpeg_of(size: tuple[int, int], max_bytes: int) -> bytes:
    """Make the JPEG of the best quality that has at most `max_bytes` bytes."""
    low, high = 1, 95
    best = jpeg(size, quality=low)
    while low < high:
        quality = (low + high + 1) // 2
        data = jpeg(size, quality=quality)
        if len(data) <= max_bytes:
            low, best = quality, data
        else:
            high = quality - 1
    return best
