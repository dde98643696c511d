"""Samples of 16 bits, which Pillow has no mode for with colour or alpha: two images of bytes."""

import io
import struct
from functools import lru_cache

from PIL import Image, ImageCms

from core.images.color.icc import (
    color_space_of,
    curves_and_colorants,
    gray_profile,
    rgb_profile,
    srgb_curve,
)

MAX_STEP = 1  # level of sRGB between neighbouring upper bytes


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
    bands = [
        _join(*pair).convert("I").point(_levels(curve), "L")
        for *pair, curve in zip(high.split(), low.split(), _curves(profile), strict=True)
    ]
    found = curves_and_colorants(profile)
    if found is None:
        return bands[0], gray_profile(srgb_curve())
    return Image.merge("RGB", bands), rgb_profile(found[1], srgb_curve())


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
