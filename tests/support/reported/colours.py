"""Colours and transparency."""

import base64

import numpy as np

from tests.support import crafted_images as crafted
from tests.support import heif_files, png_files
from tests.support.color_profiles import BLUE, GREEN, RED, colour_profile, gray_profile
from tests.support.reported.row import (
    GRAYS,
    QUADRANTS,
    SIZE,
    SWAPPED,
    WHITE,
    Quadrants,
    Reported,
    jpeg,
    picture,
    png,
)

_P3: Quadrants = ((218, 0, 6), (0, 163, 0), (34, 61, 208), (234, 209, 0))  # of QUADRANTS in P3
_LINEAR: Quadrants = ((229, 96, 96), (96, 208, 110), (110, 133, 229), (244, 234, 110))
_GRAY_LINEAR: Quadrants = ((153,) * 3, (174,) * 3, (143,) * 3, (228,) * 3)


def _without_red(shown: Quadrants) -> Quadrants:
    return (WHITE, *shown[1:])


def _rgb_key(depth: int, *chunks: tuple[bytes, bytes]) -> bytes:
    samples = np.asarray(picture()).astype(int) * (257 if depth == 16 else 1)
    key = png_files.key_chunk(*map(int, samples[0, 0]))
    return png_files.encode_png(samples, depth, png_files.RGB, *chunks, key)


def _one_bit_key() -> bytes:
    black = np.zeros((SIZE[1], SIZE[0], 1), int)
    return png_files.encode_png(black, 1, png_files.GRAY, png_files.key_chunk(0))


# The quadrants in 256 × 192, encoded by libavif, whose AV1 sequence header states Display P3.
_AVIF_IN_P3 = (
    "AAAAIGZ0eXBhdmlmAAAAAGF2aWZtaWYxbWlhZk1BMUEAAADybWV0YQAAAAAAAAAoaGRscgAAAAAAAAAAcGljdAAA"
    "AAAAAAAAAAAAAGxpYmF2aWYAAAAADnBpdG0AAAAAAAEAAAAeaWxvYwAAAABEAAABAAEAAAABAAABGgAAAFQAAAAo"
    "aWluZgAAAAAAAQAAABppbmZlAgAAAAABAABhdjAxQ29sb3IAAAAAamlwcnAAAABLaXBjbwAAABRpc3BlAAAAAAAA"
    "AQAAAADAAAAAEHBpeGkAAAAAAwgICAAAAAxhdjFDgSAAAAAAABNjb2xybmNseAAMAA0ABoAAAAAXaXBtYQAAAAAA"
    "AAABAAEEAQKDBAAAAFxtZGF0EgAKCTgd/+/YQwNBpDJFEZABhhhhALSD664t0lBhWxy2nsDFiPu1wNnFUGcGiFrR"
    "5eUq3X2iCyDjNIQHO8M92OjgqtjGaV7sSuZQi0zR0RGY+TmG"
)


def _profile_in_parts(*numbers: int) -> bytes:
    """Return a JPEG with a profile that swaps colours, its halves in this order."""
    profile = colour_profile(GREEN, RED, BLUE)
    halves = {1: profile[:200], 2: profile[200:]}
    parts = [b"ICC_PROFILE\0" + bytes([number, 2]) + halves[number] for number in numbers]
    return b"\xff\xd8" + b"".join(crafted.segment(0xE2, part) for part in parts) + jpeg()[2:]


COLOURS = [
    Reported(
        "colour",
        "AVIF in P3 by code points",
        lambda: heif_files.with_properties(
            heif_files.avif(picture()), (b"colr", heif_files.nclx(12, 13)), without=[b"colr"]
        ),
        _P3,
        source="AOMediaCodec/libavif/issues/1421",
    ),
    Reported(
        "colour",
        "AVIF in P3 by its bitstream alone",
        lambda: heif_files.with_properties(base64.b64decode(_AVIF_IN_P3), without=[b"colr"]),
        _P3,
        (256, 192),
        source="AOMediaCodec/libavif/issues/6",
    ),
    Reported("colour", "PNG in P3 by code points", lambda: png(png_files.cicp_chunk(12, 13)), _P3),
    Reported(
        "colour",
        "PNG whose code points outrank its profile",
        lambda: png(
            png_files.cicp_chunk(1, 13), png_files.icc_chunk(colour_profile(GREEN, RED, BLUE))
        ),
    ),
    Reported(
        "colour",
        "PNG whose black is at 16 and white at 235",
        lambda: png(png_files.cicp_chunk(1, 13, full=False)),
        # (sample - 16) * 255 / 219
        ((214, 16, 16), (16, 168, 28), (28, 51, 214), (249, 226, 28)),
    ),
    Reported("colour", "JPEG with a profile in parts", lambda: _profile_in_parts(2, 1), SWAPPED),
    Reported("colour", "JPEG with a part twice", lambda: _profile_in_parts(1, 1, 2), SWAPPED),
    Reported("colour", "JPEG with a part missing", lambda: _profile_in_parts(1)),
    Reported("colour", "PNG with reserved code points", lambda: png(png_files.cicp_chunk(0, 3))),
    Reported(
        "colour",
        "PNG of linear light",
        lambda: png(png_files.gamma_chunk(1.0)),
        _LINEAR,
        source="libvips/libvips/issues/1238",
    ),
    Reported(
        "colour",
        "PNG whose sRGB outranks its gamma",
        lambda: png((b"sRGB", b"\0"), png_files.gamma_chunk(1.0)),
    ),
    Reported("colour", "PNG with an absurd gamma", lambda: png((b"gAMA", bytes(4)))),
    Reported("colour", "PNG with absurd primaries", lambda: png((b"cHRM", bytes(32)))),
    Reported(
        "colour",
        "gray PNG with a profile of colours",
        lambda: png(
            png_files.icc_chunk(colour_profile(RED, GREEN, BLUE, gamma=1.0)), image=picture("L")
        ),
        GRAYS,
        source="libjxl/libjxl/issues/720",
    ),
    Reported(
        "colour",
        "gray JPEG with a profile of colours",
        lambda: jpeg(picture("L"), icc_profile=colour_profile(RED, GREEN, BLUE, gamma=1.0)),
        _GRAY_LINEAR,
        source="wavexx/fgallery/issues/26",
    ),
    Reported(
        "colour",
        "gray JPEG with a profile of gray",
        lambda: jpeg(picture("L"), icc_profile=gray_profile(1.0)),
        _GRAY_LINEAR,
        source="SixLabors/ImageSharp/issues/3197",
    ),
    Reported(
        "colour",
        "JPEG with a profile of inks",
        lambda: jpeg(icc_profile=colour_profile(RED, GREEN, BLUE).replace(b"RGB ", b"CMYK")),
    ),
    Reported("colour", "JPEG of inks without a profile", lambda: jpeg(picture("CMYK"))),
    Reported(
        "transparency",
        "PNG with a transparent colour",
        lambda: _rgb_key(8),
        _without_red(QUADRANTS),
        source="python-pillow/Pillow/issues/421",
    ),
    Reported(
        "transparency",
        "PNG with a transparent colour and a profile",
        lambda: _rgb_key(8, png_files.icc_chunk(colour_profile(GREEN, RED, BLUE))),
        _without_red(SWAPPED),
    ),
    Reported(
        "transparency",
        "PNG with a transparent colour of 16 bits",
        lambda: _rgb_key(16),
        _without_red(QUADRANTS),
    ),
    Reported(
        "transparency",
        "PNG of 1 bit with transparent black",
        _one_bit_key,
        (WHITE,) * 4,
        source="python-pillow/Pillow/issues/9281",
    ),
]
