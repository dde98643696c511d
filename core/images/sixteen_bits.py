"""Samples of more than 8 bits, which Pillow has no mode for with colour or alpha.

They are two images of bytes: the upper ones and the lower ones of 16 bits.
"""

import io
import struct
from functools import lru_cache

import pillow_heif
from PIL import Image, ImageChops, ImageCms

from core.images.color.icc import (
    color_space_of,
    curves_and_colorants,
    gray_profile,
    rgb_profile,
    srgb_curve,
)

MAX_STEP = 1  # level of sRGB between neighbouring upper bytes
STRIP_PIXELS = 4_000_000  # reduced at once: a sample takes up to 20 bytes meanwhile

# By the mode of a decoded HEIC: Pillow's mode of bytes, and how it picks the upper and the lower.
_HEIF_MODES = {
    "I;16": ("L", "L;16", "L;16B"),
    "RGB;16": ("RGB", "RGB;16L", "RGB;16B"),
    "RGBA;16": ("RGBA", "RGBA;16L", "RGBA;16B"),
}


def decode_heic(data: bytes) -> tuple[Image.Image, Image.Image] | None:
    """Decode a HEIC of 10 or 12 bits to its upper and lower bytes.

    Returns:
        L, RGB or RGBA twice; None if its samples are of another kind.

    Raises:
        Exception: of any kind, as codecs raise on broken data.
    """
    decoded = pillow_heif.open_heif(io.BytesIO(data), convert_hdr_to_8bit=False)
    if decoded.mode not in _HEIF_MODES:
        return None
    mode, *raw_modes = _HEIF_MODES[decoded.mode]
    samples, stride = decoded.data, decoded.stride
    high, low = (
        Image.frombytes(mode, decoded.size, samples, "raw", raw, stride) for raw in raw_modes
    )
    # The decoder leaves the last bits 0. The first ones there make the brightest value white.
    unused = decoded.info["bit_depth"] - 8
    del decoded, samples  # large
    first = high.point([value >> unused for value in range(256)] * len(mode))
    return high, ImageChops.add(low, first)


def is_steep(profile: bytes) -> bool:
    """Return whether a profile's curves make the lower bytes visible, as linear ones do."""
    try:
        return any(
            max(abs(levels[i + 256] - levels[i]) for i in range(0, 65536 - 256, 256)) > MAX_STEP
            for levels in map(_levels, _curves(profile))
        )
    except (ImageCms.PyCMSError, OSError, ValueError):
        return False


def reduce_to_eight_bits(
    high: Image.Image, low: Image.Image, profile: bytes
) -> tuple[Image.Image, bytes]:
    """Reduce gray or RGB to 8 bits that look the same, and return them with their profile.

    Under steep curves, the upper bytes alone would have few steps in the shadows, so the samples
    are encoded by sRGB's curve.
    """
    if not is_steep(profile):
        return high, profile
    levels = [_levels(curve) for curve in _curves(profile)]
    reduced = Image.new(high.mode, high.size)
    rows = max(1, STRIP_PIXELS // high.width)
    for top in range(0, high.height, rows):
        box = (0, top, high.width, min(top + rows, high.height))
        bands = [
            _join(*pair).convert("I").point(level, "L")
            for *pair, level in zip(
                high.crop(box).split(), low.crop(box).split(), levels, strict=True
            )
        ]
        reduced.paste(Image.merge(high.mode, bands), box)
    found = curves_and_colorants(profile)
    if found is None:
        return reduced, gray_profile(srgb_curve())
    return reduced, rgb_profile(found[1], srgb_curve())


def _curves(profile: bytes) -> list[bytes]:
    """Return a profile's curves as profiles of gray; none if it consists of look-up tables."""
    if color_space_of(profile) == b"GRAY":
        return [profile]
    found = curves_and_colorants(profile)
    return found[0] if found else []


def _join(high: Image.Image, low: Image.Image) -> Image.Image:
    return Image.frombytes("I;16", high.size, Image.merge("LA", (low, high)).tobytes())


@lru_cache(maxsize=1)  # all three channels usually have one curve
def _levels(gray: bytes) -> list[int]:
    """Return the 8-bit level of sRGB for each sample of 16 bits under a profile of gray."""
    ramp = Image.frombytes("I;16", (256, 256), struct.pack("<65536H", *range(65536)))
    source, target = (
        ImageCms.ImageCmsProfile(io.BytesIO(one)) for one in (gray, gray_profile(srgb_curve()))
    )
    # Otherwise Little CMS would resample the curve, far too coarsely for shadows.
    flags = ImageCms.Flags.NOOPTIMIZE
    transform = ImageCms.buildTransform(source, target, "I;16", "L", flags=flags)
    levels = ImageCms.applyTransform(ramp, transform)
    return list(levels.tobytes()) if levels is not None else []
