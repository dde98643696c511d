"""Pictures of flat patches, in every kind of pixels and file that encoders can write."""

import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pillow_heif
import pytest
from numpy.typing import NDArray
from PIL import ExifTags, Image

from tests.support import heif_files, png_files
from tests.support import reference_rendering as reference
from tests.support.color_profiles import BLUE, GREEN, RED, colour_profile, gray_profile

Samples = NDArray[np.integer]
SIDE, ACROSS, DOWN = 16, 4, 3  # patches of flat colour: encoders with loss keep them


@dataclass(frozen=True)
class Colors:
    """A description of colours: what each container writes of it, and what it means."""

    name: str
    decode: reference.Decode = reference.srgb
    to_xyz: NDArray[np.float64] | None = None
    icc: bytes = b""
    points: tuple[int, int] | None = None  # code points: primaries and transfer
    chunks: tuple[tuple[bytes, bytes], ...] = ()


_SWAPPED = np.array([GREEN, RED, BLUE]).T  # green for red: no reader that ignores it gets through
_ICC_GAMMA = 563 / 256  # 2.2 as a profile stores it

PLAIN = Colors("sRGB")
COLORS = [
    PLAIN,
    Colors("ICC", reference.gamma(_ICC_GAMMA), _SWAPPED, icc=colour_profile(GREEN, RED, BLUE)),
    *(
        Colors(name, decode, reference.colorants(*primaries), points=points)
        for name, decode, primaries, points in (
            ("Display P3", reference.srgb, reference.P3, (12, 13)),
            ("BT.2020", reference.bt709, reference.BT2020, (9, 14)),
            ("linear", reference.linear, reference.BT709, (1, 8)),
            ("PQ", reference.pq, reference.BT2020, (9, 16)),
            ("HLG", reference.hlg, reference.BT2020, (9, 18)),
        )
    ),
]
GAMMA = [
    Colors("gAMA 1", reference.linear, chunks=(png_files.gamma_chunk(1.0),)),
    Colors(
        "gAMA 0.5, cHRM",
        reference.gamma(2.0),
        reference.colorants(*reference.P3),
        chunks=(png_files.gamma_chunk(0.5), png_files.points_chunk(reference.P3)),
    ),
]
GRAYS = [
    PLAIN,
    Colors("gray ICC", reference.gamma(_ICC_GAMMA), icc=gray_profile(2.2)),
    Colors("gAMA 1", reference.linear, chunks=(png_files.gamma_chunk(1.0),)),
    Colors("cICP linear", reference.linear, points=(1, 8)),
]


def patches(channels: int, depth: int, seed: int, *, low: float = 0.0) -> Samples:
    """Return random patches [h, w, channels] at a depth; the first ones are black and white.

    Args:
        low: the least share of the range in others.
    """
    top = 2**depth - 1
    rng = np.random.default_rng(seed)
    colors = rng.integers(int(low * top), top + 1, (DOWN, ACROSS, channels))
    if low == 0:
        colors[0, 0], colors[0, 1] = 0, top
    return colors.repeat(SIDE, 0).repeat(SIDE, 1)


TURNED: dict[int, Callable[[NDArray[np.uint8]], NDArray[np.uint8]]] = {
    1: lambda shown: shown,
    2: lambda shown: shown[:, ::-1],
    3: lambda shown: shown[::-1, ::-1],
    4: lambda shown: shown[::-1],
    5: lambda shown: shown.swapaxes(0, 1),
    6: lambda shown: np.rot90(shown, -1),
    7: lambda shown: shown[::-1, ::-1].swapaxes(0, 1),
    8: np.rot90,
}


def exif(orientation: int) -> bytes:
    block = Image.Exif()
    block[ExifTags.Base.Orientation] = orientation
    return block.tobytes()


def encode(form: str, mode: str, samples: Samples, **save: object) -> bytes:
    file = io.BytesIO()
    pixels = samples[..., 0] if samples.shape[-1] == 1 else samples
    Image.fromarray(pixels.astype(np.uint8), mode).save(file, form, **save)
    return file.getvalue()


# `irot` and `imir` that make the orientations of EXIF.
TURNS = {
    1: (),
    2: ((b"imir", b"\1"),),
    3: ((b"irot", b"\2"),),
    4: ((b"imir", b"\0"),),
    5: ((b"irot", b"\1"), (b"imir", b"\0")),
    6: ((b"irot", b"\3"),),
    7: ((b"irot", b"\1"), (b"imir", b"\1")),
    8: ((b"irot", b"\1"),),
}


def deep_heic(bits: int, mode: str, samples: Samples, colors: Colors) -> bytes:
    """Encode samples of 16 bits [h, w, channels] without loss, but for the bits left out."""
    size = samples.shape[1], samples.shape[0]
    image = pillow_heif.from_bytes(mode, size, samples.astype("<u2").tobytes())
    file = io.BytesIO()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(pillow_heif.options, "SAVE_HDR_TO_12_BIT", bits == 12)
        image.save(file, quality=-1, chroma=444)
    data = file.getvalue()
    if colors.points:
        nclx = (b"colr", heif_files.nclx(*colors.points))
        data = heif_files.with_properties(data, nclx, without=[b"colr"])
    return data
