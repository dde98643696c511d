"""PNGs of every depth and colour type, which Pillow cannot write."""

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

from tests.support.crafted_images import chunk, png

GRAY, RGB, PALETTE, GRAY_ALPHA, RGB_ALPHA = 0, 2, 3, 4, 6


def encode_png(
    samples: NDArray[np.integer], depth: int, color_type: int, *chunks: tuple[bytes, bytes]
) -> bytes:
    """Encode samples [h, w, channels] of this many bits, after these chunks."""
    height, width = samples.shape[:2]
    rows = samples.reshape(height, -1)
    if depth == 16:
        packed = rows.astype(">u2").view(np.uint8)
    else:
        bits = np.unpackbits(rows.astype(np.uint8)[..., None], axis=-1)[..., 8 - depth :]
        packed = np.packbits(bits.reshape(height, -1), axis=-1)
    data = b"".join(b"\0" + row.tobytes() for row in packed)
    written = [chunk(kind, body) for kind, body in chunks]
    pixels = chunk(b"IDAT", zlib.compress(data))
    return png(width, height, *written, pixels, depth=depth, colour=color_type)


def icc_chunk(profile: bytes) -> tuple[bytes, bytes]:
    return b"iCCP", b"p\0\0" + zlib.compress(profile)


def gamma_chunk(gamma: float) -> tuple[bytes, bytes]:
    return b"gAMA", struct.pack(">I", round(gamma * 100_000))


def points_chunk(points: tuple[tuple[float, float], ...]) -> tuple[bytes, bytes]:
    """Return `cHRM` for red, green, blue and white."""
    red, green, blue, white = points
    numbers = [round(value * 100_000) for point in (white, red, green, blue) for value in point]
    return b"cHRM", struct.pack(">8I", *numbers)


def cicp_chunk(primaries: int, transfer: int, *, full: bool = True) -> tuple[bytes, bytes]:
    return b"cICP", bytes([primaries, transfer, 0, full])


def key_chunk(*samples: int) -> tuple[bytes, bytes]:
    """Return `tRNS` for the gray or the colour that is transparent."""
    return b"tRNS", struct.pack(f">{len(samples)}H", *samples)
