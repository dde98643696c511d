"""Slightly changed pictures: bytes, lengths, chunks. A number and a seed identify each one."""

import io
import random
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image

from tests.support import crafted_images as crafted
from tests.support import png_files
from tests.support.color_profiles import BLUE, GREEN, RED, colour_profile
from tests.support.heif_files import clap, nclx, with_properties

Parts = list[bytes]

# A crop of a picture of 128 × 96, a turn, and HDR.
_PROPERTIES = [
    (b"clap", clap((128, 96), (32, 0, 128, 64))),
    (b"irot", b"\1"),
    (b"colr", nclx(9, 16)),
]

_NUMBERS = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


@dataclass(frozen=True)
class Mutant:
    """A changed picture."""

    form: str  # the format of the original picture
    data: bytes


def detailed(form: str, *, mode: str = "RGB", **save: object) -> bytes:
    """Return a picture so detailed that its data makes up most of the file."""
    noise = Image.frombytes("RGB", (40, 30), random.Random(0).randbytes(40 * 30 * 3))
    file = io.BytesIO()
    noise.resize((128, 96)).convert(mode).save(file, form, **save)
    return file.getvalue()


def deep_png() -> bytes:
    """Return a PNG of 16 bits with linear light and a transparent colour."""
    samples = np.random.default_rng(0).integers(0, 65536, (32, 48, 3))
    chunks = [png_files.gamma_chunk(1.0), png_files.key_chunk(*map(int, samples[0, 0]))]
    return png_files.encode_png(samples, 16, png_files.RGB, *chunks)


def seeds() -> dict[str, list[bytes]]:
    """Return whole pictures by format: every kind of pixels, with and without metadata."""
    told = {
        "exif": crafted.ifd((0x112, 3, 1, 6 << 16)),
        "icc_profile": colour_profile(RED, GREEN, BLUE),
    }
    mpo = io.BytesIO()
    Image.new("RGB", (80, 60)).save(
        mpo, "MPO", save_all=True, append_images=[Image.new("RGB", (40, 40))]
    )
    modes = ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")
    return {
        "JPEG": [
            *(detailed("JPEG", mode=mode) for mode in ("L", "RGB", "CMYK")),
            *(detailed("JPEG", progressive=True, mode=mode) for mode in ("L", "RGB", "CMYK")),
            detailed("JPEG", subsampling=0, **told),
            detailed("JPEG", restart_marker_blocks=4),
            crafted.jpeg_of_many_scans(8, side=80),
            mpo.getvalue(),
        ],
        "PNG": [
            *(detailed("PNG", mode=mode) for mode in modes),
            detailed("PNG", **told),
            detailed("PNG", mode="P", transparency=0, bits=4),
            crafted.animated("PNG"),
            deep_png(),
        ],
        "WEBP": [
            *(
                detailed("WEBP", lossless=whole, mode=mode)
                for whole in (0, 1)
                for mode in ("RGB", "RGBA")
            ),
            detailed("WEBP", **told),
            crafted.animated("WEBP"),
        ],
        "HEIF": [
            *(detailed("HEIF", mode=mode) for mode in ("L", "RGB", "RGBA")),
            detailed("HEIF", **told),
            crafted.animated("HEIF"),
            with_properties(detailed("HEIF"), *_PROPERTIES, without=[b"colr"]),
        ],
        "AVIF": [
            *(detailed("AVIF", mode=mode) for mode in ("L", "RGB", "RGBA")),
            detailed("AVIF", **told),
            crafted.animated("AVIF"),
            with_properties(detailed("AVIF"), *_PROPERTIES, without=[b"colr"]),
        ],
    }


def mutant(sources: dict[str, list[bytes]], seed: int, number: int) -> Mutant:
    """Return the mutant with this number: the formats alternate, the rest is random."""
    draw = random.Random(f"{seed}/{number}")
    form = list(sources)[number % len(sources)]
    parts = _SPLIT[form](draw.choice(sources[form]))
    others = _SPLIT[form](draw.choice(sources[form]))
    for _ in range(draw.choice((1, 1, 2, 3))):
        change = draw.choice((_flip, _flip, _flip, _number, _number, _shuffle, _splice))
        change(parts, others, draw)
    if draw.random() < 0.8:  # otherwise most would fail at a checksum or a length
        parts = _MEND.get(form, list)(parts)
    data = b"".join(parts)
    if draw.random() < 0.15:
        data = data[: draw.randrange(len(data) + 1)]
    return Mutant(form, data)


def _any(parts: Parts, draw: random.Random) -> int:
    """Pick a part: usually weighted by length, sometimes all equally likely."""
    weights = [len(part) for part in parts]
    if draw.random() < 0.25 or not any(weights):
        return draw.randrange(len(parts))
    return draw.choices(range(len(parts)), weights)[0]


def _flip(parts: Parts, others: Parts, draw: random.Random) -> None:
    at = _any(parts, draw)
    part = bytearray(parts[at])
    for _ in range(draw.choice((1, 1, 2, 4, 16))):
        if part:
            part[draw.randrange(len(part))] = draw.randrange(256)
    parts[at] = bytes(part)


def _number(parts: Parts, others: Parts, draw: random.Random) -> None:
    """Write a number where sizes and counts usually are, mostly near a part's start."""
    at = _any(parts, draw)
    part, size = bytearray(parts[at]), draw.choice((1, 2, 4))
    place = draw.randrange(max(1, min(len(part), draw.choice((32, 32, 2**20)))))
    order = draw.choice((">", "<"))
    value = draw.choice(_NUMBERS) & (2 ** (8 * size) - 1)
    part[place : place + size] = struct.pack(order + {1: "B", 2: "H", 4: "I"}[size], value)
    parts[at] = bytes(part)


def _shuffle(parts: Parts, others: Parts, draw: random.Random) -> None:
    """Drop a part, repeat it, or move it."""
    at = draw.randrange(len(parts))
    kind = draw.choice(("drop", "repeat", "move"))
    part = parts.pop(at) if kind != "repeat" else parts[at]
    if kind == "repeat":
        parts[at:at] = [part] * draw.choice((1, 1, 10, 300))
    elif kind == "move" or not parts:
        parts.insert(draw.randrange(len(parts) + 1), part)


def _splice(parts: Parts, others: Parts, draw: random.Random) -> None:
    """Insert a part of another picture, or replace a part with it."""
    at = draw.randrange(len(parts))
    parts[at : at + draw.randint(0, 1)] = [draw.choice(others)]


def _png_chunks(data: bytes) -> Parts:
    parts, at = [data[:8]], 8
    while at < len(data):
        (size,) = struct.unpack_from(">I", data, at)
        parts.append(data[at : at + 12 + size])
        at += 12 + size
    return parts


def _riff_sized(parts: Parts) -> Parts:
    """Set the length in a WebP's header to its actual length."""
    data = b"".join(parts)
    return [b"RIFF", struct.pack("<I", max(0, len(data) - 8)), data[8:]]


def _checked(part: bytes) -> bytes:
    """Set a PNG chunk's length and checksum to match its contents."""
    if part.startswith(b"\x89PNG") or len(part) < 12:
        return part
    body = part[4:-4]
    return struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))


def _jpeg_segments(data: bytes) -> Parts:
    """Split at every marker; a scan's data stays with its header."""
    starts = [at for at in range(len(data) - 1) if data[at] == 0xFF and data[at + 1] >= 0xC0]
    return [data[a:b] for a, b in zip(starts, [*starts[1:], len(data)], strict=True)]


def _riff_chunks(data: bytes) -> Parts:
    parts, at = [data[:12]], 12
    while at < len(data):
        (size,) = struct.unpack_from("<I", data, at + 4)
        parts.append(data[at : at + 8 + size + size % 2])
        at += 8 + size + size % 2
    return parts


def _boxes(data: bytes) -> Parts:
    """Split into boxes (ISO 14496-12), including those in `meta` and its items' properties."""
    parts, at = [], 0
    while at + 8 <= len(data):
        (size,) = struct.unpack_from(">I", data, at)
        inside = {b"meta": 12, b"iprp": 8, b"ipco": 8}.get(data[at + 4 : at + 8], size)
        step = inside if 8 <= inside <= len(data) - at else len(data) - at
        parts.append(data[at : at + step])
        at += step
    return [*parts, data[at:]] if at < len(data) else parts


_SPLIT: dict[str, Callable[[bytes], Parts]] = {
    "JPEG": _jpeg_segments,
    "PNG": _png_chunks,
    "WEBP": _riff_chunks,
    "HEIF": _boxes,
    "AVIF": _boxes,
}
_MEND: dict[str, Callable[[Parts], Parts]] = {
    "PNG": lambda parts: [_checked(part) for part in parts],
    "WEBP": _riff_sized,
}
