"""Pictures drawn at random: mode, depth, colours, orientation, crop, transparency and container.

What a file says is drawn, then what of it counts follows from `docs/api.md`, "What is read of a
photo"; nothing here is shared with the service.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product
from typing import TypeVar

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from tests.support import heif_files, png_files
from tests.support import reference_rendering as reference
from tests.support.color_profiles import BLUE, GREEN, RED, colour_profile, gray_profile
from tests.support.patches import (
    ACROSS,
    COLORS,
    DOWN,
    PLAIN,
    SIDE,
    TURNS,
    Colors,
    Samples,
    deep_heic,
    encode,
    exif,
    patches,
)
from tests.support.png_files import GRAY, GRAY_ALPHA, PALETTE, RGB, RGB_ALPHA, encode_png

T = TypeVar("T")
Draw = Callable[[st.SearchStrategy[T]], T]
Box = tuple[int, int, int, int]

POINTS = [colors for colors in COLORS if colors.points]
# Colorants of profiles: sRGB's in any order, and those of Display P3.
_COLORANTS = [
    *((RED, GREEN, BLUE), (GREEN, RED, BLUE), (BLUE, GREEN, RED), (GREEN, BLUE, RED)),
    tuple(map(tuple, reference.colorants(*reference.P3).T)),
]
_UNUSABLE_ICC = b"this is not a profile"
_UNUSABLE_POINTS = (0, 3)  # reserved


@dataclass(frozen=True)
class Picture:
    """A file, and what it shows."""

    data: bytes
    samples: NDArray[np.floating]  # [h, w, 1 or 3], 0–1
    alpha: NDArray[np.floating] | None  # [h, w], 0–1
    colors: Colors  # those that count
    error: float  # by which its encoder may change a sample or alpha
    orientation: int = 1
    crop: Box | None = None  # before the turn
    sixteen_bits: bool = False
    about: str = ""  # for a failure


@st.composite
def pictures(draw: Draw[T]) -> Picture:
    """Draw a picture of any container."""
    make = draw(st.sampled_from([png, png, jpeg, webp, heif, heif, avif]))
    return make(draw)


def png(draw: Draw[T]) -> Picture:
    depth, kind, channels = draw(
        st.sampled_from(
            [
                *((depth, GRAY, 1) for depth in (1, 2, 4, 8, 16)),
                *((depth, PALETTE, 1) for depth in (1, 2, 4, 8)),
                *((depth, *kind) for depth in (8, 16) for kind in _WIDE_KINDS),
            ]
        )
    )
    samples = draw_patches(draw, channels, depth)
    colors, chunks = _draw_png_colors(draw, gray=kind in (GRAY, GRAY_ALPHA))
    orientation = draw(st.integers(1, 8))
    chunks.append((b"eXIf", exif(orientation)[6:]))
    top, alpha = 2**depth - 1, None
    shares = samples / top
    if kind == PALETTE:
        rng = np.random.default_rng(draw(st.integers(0, 999)))
        palette, alphas = rng.integers(0, 256, (2**depth, 3)), rng.integers(0, 256, 2**depth)
        chunks.append((b"PLTE", palette.astype(np.uint8).tobytes()))
        shares = palette[samples[..., 0]] / 255
        if draw(st.booleans()):
            known = draw(st.integers(1, 2**depth))  # entries beyond are opaque
            chunks.append((b"tRNS", alphas[:known].astype(np.uint8).tobytes()))
            alphas[known:] = 255
            alpha = alphas[samples[..., 0]] / 255
    elif kind in (GRAY_ALPHA, RGB_ALPHA):
        shares, alpha = shares[..., :-1], shares[..., -1]
    elif draw(st.booleans()):
        key = samples[draw(st.integers(0, DOWN - 1)) * SIDE, draw(st.integers(0, 1)) * SIDE]
        chunks.append(png_files.key_chunk(*map(int, key)))
        alpha = (samples != key).any(-1).astype(float)
    return Picture(
        encode_png(samples, depth, kind, *chunks),
        shares,
        alpha,
        colors,
        error=0,
        orientation=orientation,
        sixteen_bits=depth == 16,
        about=f"PNG, colour type {kind}, {depth} bits, {[name for name, _ in chunks]}",
    )


_WIDE_KINDS = ((GRAY_ALPHA, 2), (RGB, 3), (RGB_ALPHA, 4))


def _draw_png_colors(draw: Draw[T], *, gray: bool) -> tuple[Colors, list[tuple[bytes, bytes]]]:
    """Draw which chunks there are; the first that can be used counts."""
    found, chunks = [], []
    if draw(st.booleans()):
        points = draw(st.sampled_from([*POINTS, None]))
        chunks.append(png_files.cicp_chunk(*(points.points if points else _UNUSABLE_POINTS)))
        found += [_of_gray(points)] if points and gray else [points] if points else []
    if draw(st.booleans()):
        profile = draw(st.sampled_from([_draw_profile(draw, gray=gray), None]))
        chunks.append(png_files.icc_chunk(profile.icc if profile else _UNUSABLE_ICC))
        found += [profile] if profile else []
    elif draw(st.booleans()):
        chunks.append((b"sRGB", b"\0"))
        found.append(PLAIN)
    if draw(st.booleans()):
        stored = draw(st.integers(40_000, 100_000)) / 100_000
        chunks.append(png_files.gamma_chunk(stored))
        to_xyz = None
        if draw(st.booleans()):
            primaries = draw(st.sampled_from([reference.P3, reference.BT2020, reference.BT709]))
            chunks.append(png_files.points_chunk(primaries))
            to_xyz = None if gray else reference.colorants(*primaries)
        found.append(Colors(f"gAMA {stored}", reference.gamma(1 / stored), to_xyz))
    return found[0] if found else PLAIN, chunks


def _draw_profile(draw: Draw[T], *, gray: bool) -> Colors:
    """Draw a profile whose gamma is a number that a profile can store."""
    gamma = draw(st.integers(256, 640)) / 256
    if gray:
        return Colors(f"gray ICC {gamma}", reference.gamma(gamma), icc=gray_profile(gamma))
    colorants = draw(st.sampled_from(_COLORANTS))
    icc = colour_profile(*colorants, gamma=gamma)
    return Colors(f"ICC {gamma}", reference.gamma(gamma), np.array(colorants).T, icc=icc)


def _of_gray(colors: Colors) -> Colors:
    """Return what a description says of gray: primaries do not matter, as all share their white."""
    return replace(colors, to_xyz=None)


def jpeg(draw: Draw[T]) -> Picture:
    mode = draw(st.sampled_from(["RGB", "RGB", "L", "CMYK"]))
    samples = draw_patches(draw, len(mode) if mode != "L" else 1, 8)
    save: dict[str, object] = {
        "quality": draw(st.integers(95, 100)),
        "progressive": draw(st.booleans()),
        "subsampling": draw(st.sampled_from([0, 1, 2])) if mode == "RGB" else 0,
    }
    colors = _draw_exif_colors(draw, save, mode)
    orientation = draw(st.integers(1, 8))
    data = encode("JPEG", mode, samples, exif=exif(orientation), **save)
    shares = samples / 255
    if mode == "CMYK":  # Adobe's inks are inverted, and so Pillow writes them
        shares = (1 - shares[..., :3]) * (1 - shares[..., 3:])
    about = f"JPEG {mode}, {save}"
    return Picture(data, shares, None, colors, 3 / 255, orientation, about=about)


def webp(draw: Draw[T]) -> Picture:
    mode = draw(st.sampled_from(["RGB", "RGBA"]))
    samples = draw_patches(draw, len(mode), 8)
    lossless = draw(st.booleans())
    save: dict[str, object] = {"lossless": lossless, "exact": True, "quality": 100, "method": 0}
    colors = _draw_exif_colors(draw, save, mode)
    orientation = draw(st.integers(1, 8))
    data = encode("WEBP", mode, samples, exif=exif(orientation), **save)
    shares, alpha = _split_alpha(samples / 255, mode)
    error = 0 if lossless else 5 / 255
    about = f"WebP {mode}, lossless: {lossless}"
    return Picture(data, shares, alpha, colors, error, orientation, about=about)


def _draw_exif_colors(draw: Draw[T], save: dict[str, object], mode: str) -> Colors:
    """Draw the colours of a file that can only have a profile, which Pillow writes."""
    if mode == "CMYK" or not draw(st.booleans()):
        return PLAIN
    if draw(st.integers(0, 4)) == 0:
        save["icc_profile"] = _UNUSABLE_ICC
        return PLAIN
    profile = _draw_profile(draw, gray=mode == "L" and draw(st.booleans()))
    save["icc_profile"] = profile.icc
    return _of_gray(profile) if mode == "L" else profile


def heif(draw: Draw[T]) -> Picture:
    """Draw a HEIC of 8, 10 or 12 bits."""
    bits = draw(st.sampled_from([8, 8, 10, 12]))
    if bits == 8:
        return _draw_bmff(draw, "HEIF")
    mode = draw(st.sampled_from(["I;16", "RGB;16", "RGBA;16"]))
    samples = draw_patches(draw, {"I;16": 1, "RGB;16": 3, "RGBA;16": 4}[mode], 16)
    data = deep_heic(bits, mode, samples, PLAIN)
    shares, alpha = _split_alpha(samples / 65535, mode)
    # A level of its own bits for rounding to them, and one for the way to YCbCr and back.
    error, about = 2 / (2**bits - 1), f"HEIC {mode} {bits}"
    picture = Picture(data, shares, alpha, PLAIN, error, sixteen_bits=True, about=about)
    return _with_drawn_properties(draw, picture)


def avif(draw: Draw[T]) -> Picture:
    return _draw_bmff(draw, "AVIF")


def _draw_bmff(draw: Draw[T], form: str) -> Picture:
    mode = draw(st.sampled_from(["RGB", "RGBA", "L", "LA"]))
    samples = draw_patches(draw, len(mode), 8)
    pixels = samples[..., 0] if mode == "L" else samples
    image = Image.fromarray(pixels.astype(np.uint8), mode)
    if form == "HEIF":
        data = heif_files.heic(image)
    else:
        data = heif_files.avif(image, subsampling="4:0:0" if mode == "L" else "4:4:4")
    shares, alpha = _split_alpha(samples / 255, mode)
    if form == "AVIF" and mode == "LA":  # Pillow writes colours
        shares = shares.repeat(3, axis=-1)
    picture = Picture(data, shares, alpha, PLAIN, 2 / 255, about=f"{form} {mode}")
    return _with_drawn_properties(draw, picture)


def _with_drawn_properties(draw: Draw[T], picture: Picture) -> Picture:
    """Draw crop, turn and colours, which a HEIF's properties describe."""
    added: list[tuple[bytes, bytes]] = []
    without, colors, crop = [], PLAIN, None
    gray = picture.samples.shape[-1] == 1
    if draw(st.booleans()):
        left, top = draw(st.integers(0, ACROSS - 2)) * SIDE, draw(st.integers(0, DOWN - 2)) * SIDE
        crop = (left, top, ACROSS * SIDE, DOWN * SIDE)
        size = (ACROSS * SIDE, DOWN * SIDE)
        added.append((b"clap", heif_files.clap(size, crop, parts=draw(st.integers(1, 3)))))
    orientation = draw(st.integers(1, 8))
    added += TURNS[orientation]
    said = draw(st.sampled_from(["nothing", "points", "profile", "both"]))
    if said in ("points", "both"):
        colors = draw(st.sampled_from(POINTS))
        assert colors.points is not None
        added.append((b"colr", heif_files.nclx(*colors.points)))
        without = [b"colr"]
    if said in ("profile", "both"):  # a profile goes first
        colors = _draw_profile(draw, gray=gray)
        added.append((b"colr", b"prof" + colors.icc))
    data = picture.data
    if added:
        data = heif_files.with_properties(data, *added, without=without)
    return replace(
        picture,
        data=data,
        colors=_of_gray(colors) if gray else colors,
        orientation=orientation,
        crop=crop,
        about=f"{picture.about}, {said}",
    )


def _split_alpha(
    shares: NDArray[np.floating], mode: str
) -> tuple[NDArray[np.floating], NDArray[np.floating] | None]:
    has_alpha = mode in ("LA", "RGBA", "RGBA;16")
    return (shares[..., :-1], shares[..., -1]) if has_alpha else (shares, None)


def draw_patches(draw: Draw[T], channels: int, depth: int) -> Samples:
    """Draw patches that have black and white among them, or dark and bright colours alone."""
    seed = draw(st.integers(0, 9999))
    low = draw(st.sampled_from([0.0, 0.0, 0.2]))
    return patches(channels, depth, seed, low=low)


def bounds(picture: Picture) -> tuple[NDArray[np.integer], NDArray[np.integer]]:
    """Return the least and the greatest value of each patch, [h, w, 3], as people see the picture.

    The encoder may have changed each sample a little, and what that changes depends on the colours:
    a step in the shadows of linear light is a dozen steps of sRGB. Samples of 16 bits may be a step
    of 8 bits off before primaries are converted. Two steps more are for rounding.
    """
    centre = slice(SIDE // 2, None, SIDE)
    samples, alpha = picture.samples[centre, centre], np.ones((DOWN, ACROSS))
    if picture.alpha is not None:
        alpha = picture.alpha[centre, centre]
    step = 1 / 255 if picture.sixteen_bits else 0
    ends = []
    for sign in (-1, 1):
        light = picture.colors.decode(np.clip(samples + sign * picture.error, 0, 1))
        opaque = np.clip(alpha + sign * picture.error, 0, 1) if picture.alpha is not None else alpha
        ends.append((reference.encode_srgb(light) + sign * step, opaque))
    shown = []
    for *corner, of_alpha in product((0, 1), repeat=samples.shape[-1] + 1):
        channels = [ends[end][0][..., channel] for channel, end in enumerate(corner)]
        shown.append(
            reference.render(
                np.stack(channels, -1), to_xyz=picture.colors.to_xyz, alpha=ends[of_alpha][1]
            )
        )
    every = np.stack(shown).astype(int)
    return every.min(0) - 2, every.max(0) + 2
