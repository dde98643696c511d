"""What the method is given equals a reference rendering, for every kind of pixels and file.

Each picture has every mode, depth, colour description and orientation that the encoders at hand can
write. The reference is computed from the samples before they are encoded, in floating point.
"""

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count

import numpy as np
import pillow_heif
import pytest
from numpy.typing import NDArray
from PIL import ExifTags, Image

from core.images.inspection import load_upright
from tests.support import heif_files, png_files
from tests.support import reference_rendering as reference
from tests.support.color_profiles import BLUE, GREEN, RED, colour_profile, gray_profile
from tests.support.png_files import GRAY, GRAY_ALPHA, PALETTE, RGB, RGB_ALPHA, encode_png

Samples = NDArray[np.integer]
_SIDE, _ACROSS, _DOWN = 16, 4, 3  # patches of flat colour: encoders with loss keep them


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
    colors = rng.integers(int(low * top), top + 1, (_DOWN, _ACROSS, channels))
    if low == 0:
        colors[0, 0], colors[0, 1] = 0, top
    return colors.repeat(_SIDE, 0).repeat(_SIDE, 1)


_OF_EXIF: dict[int, Callable[[NDArray[np.uint8]], NDArray[np.uint8]]] = {
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


def check(
    data: bytes,
    samples: NDArray[np.floating],
    colors: Colors,
    *,
    tolerance: int,
    orientation: int = 1,
    alpha: NDArray[np.floating] | None = None,
) -> None:
    """Check each patch's centre."""
    wanted = reference.render(samples, to_xyz=colors.to_xyz, decode=colors.decode, alpha=alpha)
    wanted = _OF_EXIF[orientation](wanted)
    shown = np.asarray(load_upright(data))
    assert shown.shape == wanted.shape
    centre = slice(_SIDE // 2, None, _SIDE)
    difference = np.abs(shown[centre, centre].astype(int) - wanted[centre, centre])
    assert difference.max() <= tolerance, (colors.name, orientation, difference.max())


def orientations() -> Iterator[int]:
    """Yield 1 to 8 again and again: over all cases, each meets every kind of pixels."""
    return (1 + number % 8 for number in count())


PNG_KINDS = [
    *((depth, GRAY, 1) for depth in (1, 2, 4, 8, 16)),
    *((depth, GRAY_ALPHA, 2) for depth in (8, 16)),
    *((depth, RGB, 3) for depth in (8, 16)),
    *((depth, RGB_ALPHA, 4) for depth in (8, 16)),
]


@pytest.mark.parametrize(("depth", "kind", "channels"), PNG_KINDS)
def test_a_png_of_every_depth_and_colour_type(depth: int, kind: int, channels: int) -> None:
    turns = orientations()
    gray = kind in (GRAY, GRAY_ALPHA)
    for seed, colors in enumerate(GRAYS if gray else [*COLORS, *GAMMA]):
        for orientation in (next(turns), next(turns), next(turns)):
            samples = patches(channels, depth, seed)
            chunks = [*colors.chunks, (b"eXIf", exif(orientation)[6:])]
            if colors.icc:
                chunks.append(png_files.icc_chunk(colors.icc))
            if colors.points:
                chunks.append(png_files.cicp_chunk(*colors.points))
            shares = samples / (2**depth - 1)
            color, alpha = shares[..., : 1 if gray else 3], None
            if channels in (2, 4):
                alpha = shares[..., -1]
            data = encode_png(samples, depth, kind, *chunks)
            # Samples of 16 bits are reduced to 8 before a matrix is applied.
            tolerance = 3 if depth == 16 else 2
            check(data, color, colors, tolerance=tolerance, orientation=orientation, alpha=alpha)


@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("colors", [PLAIN, *GRAYS[1:]], ids=lambda colors: colors.name)
def test_a_gray_that_means_transparent(depth: int, colors: Colors) -> None:
    samples = patches(1, depth, depth)
    key = int(samples[-1, -1, 0])
    extra = [png_files.icc_chunk(colors.icc)] if colors.icc else []
    extra += [png_files.cicp_chunk(*colors.points)] if colors.points else []
    data = encode_png(samples, depth, GRAY, *colors.chunks, *extra, png_files.key_chunk(key))
    alpha = (samples[..., 0] != key).astype(float)
    check(data, samples / (2**depth - 1), colors, tolerance=2, alpha=alpha)


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("colors", [*COLORS, *GAMMA], ids=lambda colors: colors.name)
def test_a_colour_that_means_transparent(depth: int, colors: Colors) -> None:
    samples = patches(3, depth, depth)
    samples[:_SIDE, -_SIDE:] = samples[-1, -1] + np.array([0, 0, 1])  # almost the same colour
    key = samples[-1, -1]
    extra = [png_files.icc_chunk(colors.icc)] if colors.icc else []
    extra += [png_files.cicp_chunk(*colors.points)] if colors.points else []
    key_chunk = png_files.key_chunk(*map(int, key))
    data = encode_png(samples, depth, RGB, *colors.chunks, *extra, key_chunk)
    alpha = (samples != key).any(-1).astype(float)
    check(data, samples / (2**depth - 1), colors, tolerance=2, alpha=alpha)


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
@pytest.mark.parametrize("colors", [*COLORS, *GAMMA], ids=lambda colors: colors.name)
def test_a_palette_with_alpha(depth: int, colors: Colors) -> None:
    rng = np.random.default_rng(depth)
    size = 2**depth
    palette = rng.integers(0, 256, (size, 3)).astype(np.uint8)
    alphas = rng.integers(0, 256, size).astype(np.uint8)
    indices = patches(1, depth, depth)
    chunks = [*colors.chunks, (b"PLTE", palette.tobytes()), (b"tRNS", alphas.tobytes())]
    if colors.icc:
        chunks.insert(0, png_files.icc_chunk(colors.icc))
    if colors.points:
        chunks.insert(0, png_files.cicp_chunk(*colors.points))
    data = encode_png(indices, depth, PALETTE, *chunks)
    shares = palette[indices[..., 0]] / 255
    check(data, shares, colors, tolerance=2, alpha=alphas[indices[..., 0]] / 255)


def encode(form: str, mode: str, samples: Samples, **save: object) -> bytes:
    file = io.BytesIO()
    pixels = samples[..., 0] if samples.shape[-1] == 1 else samples
    Image.fromarray(pixels.astype(np.uint8), mode).save(file, form, **save)
    return file.getvalue()


LOSSLESS = {"lossless": True, "exact": True}
BEST = {"quality": 100, "subsampling": 0}


@pytest.mark.parametrize(
    ("form", "mode", "tolerance", "save"),
    [
        ("WEBP", "RGB", 2, LOSSLESS),
        ("WEBP", "RGBA", 2, LOSSLESS),
        ("JPEG", "RGB", 5, BEST),
        ("JPEG", "RGB", 5, {**BEST, "progressive": True}),
        ("JPEG", "L", 4, {"quality": 100}),
        ("PNG", "RGB", 2, {}),
    ],
)
@pytest.mark.parametrize("colors", COLORS[:2], ids=lambda colors: colors.name)
def test_files_with_exif(
    form: str, mode: str, tolerance: int, save: dict[str, object], colors: Colors
) -> None:
    for orientation in range(1, 9):
        samples = patches(len(mode), 8, orientation, low=0.1)
        more = {"icc_profile": colors.icc} if colors.icc else {}
        data = encode(form, mode, samples, exif=exif(orientation), **save, **more)
        alpha = samples[..., 3] / 255 if mode == "RGBA" else None
        color = samples[..., :3] / 255
        check(data, color, colors, tolerance=tolerance, orientation=orientation, alpha=alpha)


@pytest.mark.parametrize("progressive", [False, True])
def test_cmyk_without_a_profile(progressive: bool) -> None:
    samples = patches(4, 8, 1)
    # Adobe's inks are inverted, and so Pillow writes them.
    data = encode("JPEG", "CMYK", samples, quality=100, progressive=progressive)
    shares = samples / 255
    color = (1 - shares[..., :3]) * (1 - shares[..., 3:])
    check(data, color, PLAIN, tolerance=4)


# `irot` and `imir` that make the orientations of EXIF.
_PROPERTIES = {
    1: (),
    2: ((b"imir", b"\1"),),
    3: ((b"irot", b"\2"),),
    4: ((b"imir", b"\0"),),
    5: ((b"irot", b"\1"), (b"imir", b"\0")),
    6: ((b"irot", b"\3"),),
    7: ((b"irot", b"\1"), (b"imir", b"\1")),
    8: ((b"irot", b"\1"),),
}


@pytest.mark.parametrize("form", ["HEIF", "AVIF"])
@pytest.mark.parametrize(
    ("mode", "colors"),
    [
        *((mode, colors) for mode in ("RGB", "RGBA") for colors in COLORS),
        # A profile that swaps colours is none for gray.
        *((mode, colors) for mode in ("L", "LA") for colors in COLORS if not colors.icc),
    ],
    ids=lambda value: getattr(value, "name", value),
)
def test_heic_and_avif(form: str, mode: str, colors: Colors) -> None:
    for orientation in (1, 3, 6) if colors is not PLAIN else range(1, 9):
        samples = patches(len(mode), 8, orientation, low=0.15)
        if mode[-1] == "A":
            samples[..., -1] = np.where(samples[..., -1] > 127, 255, 0)
        pixels = samples[..., 0] if mode == "L" else samples
        image = Image.fromarray(pixels.astype(np.uint8), mode)
        save = {"icc_profile": colors.icc} if colors.icc else {}
        write = heif_files.heic if form == "HEIF" else heif_files.avif
        data = write(image, **save)
        added = list(_PROPERTIES[orientation])
        if colors.points:
            added.append((b"colr", heif_files.nclx(*colors.points)))
            data = heif_files.with_properties(data, *added, without=[b"colr"])
        elif added:
            data = heif_files.with_properties(data, *added)
        color = samples[..., :1] if mode[0] == "L" else samples[..., :3]
        alpha = samples[..., -1] / 255 if mode[-1] == "A" else None
        # PQ has few levels below white, so the encoders' own errors count for more.
        tolerance = 16 if colors.name == "PQ" else 8
        check(data, color / 255, colors, tolerance=tolerance, orientation=orientation, alpha=alpha)


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


@pytest.mark.parametrize("bits", [10, 12])
@pytest.mark.parametrize("mode", ["I;16", "RGB;16", "RGBA;16"])
@pytest.mark.parametrize("colors", [COLORS[0], *COLORS[2:]], ids=lambda colors: colors.name)
def test_heic_of_more_than_eight_bits(bits: int, mode: str, colors: Colors) -> None:
    channels = {"I;16": 1, "RGB;16": 3, "RGBA;16": 4}[mode]
    samples = patches(channels, 16, bits)
    shares = samples / 65535
    alpha = None
    if mode == "RGBA;16":
        samples[..., 3] = np.where(samples[..., 3] > 32767, 65535, 0)
        alpha = samples[..., 3] / 65535
    data = deep_heic(bits, mode, samples, colors)
    check(data, shares[..., :3], colors, tolerance=3, alpha=alpha)


@pytest.mark.parametrize("bits", [8, 10])
@pytest.mark.parametrize("colors", COLORS[2:], ids=lambda colors: colors.name)
def test_the_colours_of_a_heic_may_stand_in_its_bitstream_alone(bits: int, colors: Colors) -> None:
    assert colors.points is not None
    samples = patches(3, bits, bits, low=0.15)
    stated = {"color_primaries": colors.points[0], "transfer_characteristics": colors.points[1]}
    size = samples.shape[1], samples.shape[0]
    wide = (samples << 16 - bits).astype("<u2")
    image = (
        pillow_heif.from_bytes("RGB;16", size, wide.tobytes())
        if bits > 8
        else pillow_heif.from_bytes("RGB", size, samples.astype(np.uint8).tobytes())
    )
    file = io.BytesIO()
    image.save(file, quality=-1, chroma=444, **stated)
    data = heif_files.with_properties(file.getvalue(), without=[b"colr"])
    assert b"colr" not in data
    tolerance = 16 if colors.name == "PQ" else 8
    check(data, samples / (2**bits - 1), colors, tolerance=tolerance)


@pytest.mark.parametrize("bits", [10, 12])
@pytest.mark.parametrize("colors", [COLORS[0], *COLORS[3:]], ids=lambda colors: colors.name)
def test_no_step_of_a_ramp_in_a_deep_heic_is_lost(bits: int, colors: Colors) -> None:
    ramp = np.linspace(0, 1, 1024).reshape(32, 32, 1).repeat(3, 2)
    samples = np.round(ramp * 65535).astype(int).repeat(8, 0).repeat(8, 1)
    shown = np.asarray(load_upright(deep_heic(bits, "RGB;16", samples, colors)))[4::8, 4::8]
    wanted = reference.render(ramp, to_xyz=colors.to_xyz, decode=colors.decode)
    assert len(np.unique(shown)) == len(np.unique(wanted))
    assert np.abs(shown.astype(int) - wanted).max() <= 1
