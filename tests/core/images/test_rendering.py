"""What the method is given equals a reference rendering, for every kind of pixels and file.

Each picture has every mode, depth, colour description and orientation that the encoders at hand can
write, one after the other; test_any_picture.py draws combinations. The reference is computed from
the samples before they are encoded, in floating point.
"""

import io
from collections.abc import Iterator
from itertools import count

import numpy as np
import pillow_heif
import pytest
from numpy.typing import NDArray
from PIL import Image

from core.images.inspection import load_upright
from tests.support import heif_files, png_files
from tests.support import reference_rendering as reference
from tests.support.patches import (
    COLORS,
    GAMMA,
    GRAYS,
    PLAIN,
    SIDE,
    TURNED,
    TURNS,
    Colors,
    deep_heic,
    encode,
    exif,
    patches,
)
from tests.support.png_files import GRAY, GRAY_ALPHA, PALETTE, RGB, RGB_ALPHA, encode_png


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
    wanted = TURNED[orientation](wanted)
    shown = np.asarray(load_upright(data))
    assert shown.shape == wanted.shape
    centre = slice(SIDE // 2, None, SIDE)
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
    samples[:SIDE, -SIDE:] = samples[-1, -1] + np.array([0, 0, 1])  # almost the same colour
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
        added = list(TURNS[orientation])
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
