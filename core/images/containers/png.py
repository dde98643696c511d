"""PNG (W3C, third edition): the chunks that make the image, and what others say of its colours."""

import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from core.errors import InvalidImage
from core.images.color.icc import color_space_of
from core.images.color.profiles import Cicp, cicp_profile, gamma_profile
from core.images.containers.still import ANIMATED, UNREADABLE, StillImage, orientation_of

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MAX_PROFILE = 16 * 2**20  # bytes; the largest printer profiles have about three million

_GRAY, _RGB, _PALETTE, _GRAY_ALPHA, _RGB_ALPHA = 0, 2, 3, 4, 6
_AS_BYTES = {_GRAY: _GRAY_ALPHA, _GRAY_ALPHA: _RGB_ALPHA}
_RAW_EXIF = b"Raw profile type exif"


@dataclass(frozen=True)
class _Chunk:
    kind: bytes
    body: bytes
    crc: bytes

    @property
    def is_intact(self) -> bool:
        return self.crc == struct.pack(">I", zlib.crc32(self.kind + self.body))

    def encode(self) -> bytes:
        return struct.pack(">I", len(self.body)) + self.kind + self.body + self.crc


def read_png(data: bytes) -> StillImage:
    """Read a PNG: its first image, its colours, its orientation.

    An ancillary chunk that is broken is passed over, as the standard asks for (13.2).

    Raises:
        InvalidImage: no header begins the file, or it is animated.
    """
    chunks = list(_chunks(data))
    if not chunks or chunks[0].kind != b"IHDR" or len(chunks[0].body) != 13:
        raise InvalidImage(UNREADABLE)
    depth, color_type = chunks[0].body[8:10]
    extra: dict[bytes, bytes] = {}
    texts: list[bytes] = []
    for chunk in chunks:
        if chunk.kind[:1].islower() and chunk.is_intact:
            extra.setdefault(chunk.kind, chunk.body)
            if chunk.kind in (b"tEXt", b"zTXt"):
                texts.append(chunk.body)
    if int.from_bytes(extra.get(b"acTL", b"")[:4], "big") > 1:
        raise InvalidImage(ANIMATED)
    exif = [extra[b"eXIf"]] if b"eXIf" in extra else []
    return StillImage(
        "PNG",
        SIGNATURE + b"".join(chunk.encode() for chunk in _pixels(chunks, depth, color_type)),
        profiles=tuple(_profiles(extra, gray=color_type in (_GRAY, _GRAY_ALPHA))),
        orientation=orientation_of([*exif, *_raw_exif(texts)]),
        transparent=_transparent(extra.get(b"tRNS", b""), depth, color_type),
        depth=depth,
        pairs=depth == 16 and color_type in _AS_BYTES,
    )


def _chunks(data: bytes) -> Iterator[_Chunk]:
    at = len(SIGNATURE)
    while at + 8 <= len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        body = data[at + 8 : at + 8 + length]
        end = at + 8 + length
        yield _Chunk(kind, body, data[end : end + 4])
        if kind == b"IEND":
            return
        at = end + 4


def _pixels(chunks: list[_Chunk], depth: int, color_type: int) -> Iterator[_Chunk]:
    """Yield what a decoder needs. A colour key is left to `rendering`, which knows every depth."""
    header = chunks[0]
    if depth == 16 and color_type in _AS_BYTES and header.is_intact:
        # Pillow has no mode for gray of 16 bits with alpha. As bytes, the pixels are of 8 bits.
        body = header.body[:8] + bytes([8, _AS_BYTES[color_type]]) + header.body[10:]
        header = _Chunk(b"IHDR", body, struct.pack(">I", zlib.crc32(b"IHDR" + body)))
    yield header
    for chunk in chunks[1:]:
        if chunk.kind[:1].isupper() or (
            chunk.kind == b"tRNS" and color_type == _PALETTE and chunk.is_intact
        ):
            yield chunk


def _profiles(extra: dict[bytes, bytes], *, gray: bool) -> Iterator[bytes]:
    """Yield what describes the colours, in the order of precedence (4.3)."""
    cicp = extra.get(b"cICP", b"")
    if len(cicp) == 4 and cicp[2] == 0:
        yield from cicp_profile(Cicp(cicp[0], cicp[1], full_range=bool(cicp[3])))
    profile = _inflated(extra.get(b"iCCP", b""))
    if profile and (color_space_of(profile) == b"GRAY") == gray:  # 11.3.2.3 asks for it
        yield profile
    if b"sRGB" in extra:
        return
    gamma = int.from_bytes(extra.get(b"gAMA", b""), "big") / 100_000
    points = extra.get(b"cHRM", b"")
    xy = [number / 100_000 for number in struct.unpack(">8I", points)] if len(points) == 32 else []
    yield from gamma_profile(gamma, xy)


def _inflated(body: bytes) -> bytes:
    """Return what follows a name and a method, decompressed; empty if that is not possible."""
    compressed = body.partition(b"\0")[2][1:]
    try:
        return zlib.decompressobj().decompress(compressed, MAX_PROFILE)
    except zlib.error:
        return b""


def _raw_exif(texts: list[bytes]) -> Iterator[bytes]:
    """Yield EXIF as ImageMagick stored it before PNG had a chunk for it: lines of hex digits."""
    for text in texts:
        name, _, value = text.partition(b"\0")
        if name == _RAW_EXIF:
            if value.startswith(b"\0"):  # zTXt: the method of compression
                value = _inflated(text)
            lines = value.strip().split(b"\n")
            digits = re.sub(rb"[^0-9a-fA-F]", b"", b"".join(lines[2:]))
            yield bytes.fromhex(digits[: len(digits) // 2 * 2].decode())


def _transparent(body: bytes, depth: int, color_type: int) -> tuple[int, ...] | None:
    count = {_GRAY: 1, _RGB: 3}.get(color_type)
    if count is None or len(body) != 2 * count:
        return None
    return tuple(sample & (2**depth - 1) for sample in struct.unpack(f">{count}H", body))
