"""WebP (RFC 9649): the chunks that make the image, its profile and its orientation."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from core.errors import InvalidImage
from core.images.containers.still import ANIMATED, StillImage, orientation_of

_FRAMES = (b"VP8 ", b"VP8L", b"ANMF")
_PIXELS = (b"VP8X", b"ALPH", b"ANIM", *_FRAMES)
_METADATA_FLAGS = 0b00101100  # of VP8X: profile, EXIF, XMP


@dataclass(frozen=True)
class _Chunk:
    kind: bytes
    length: int  # as stated; the body is shorter if the file is cut off
    body: bytes

    def encode(self) -> bytes:
        body = self.body
        if self.kind == b"VP8X" and body:
            body = bytes([body[0] & ~_METADATA_FLAGS]) + body[1:]
        return self.kind + struct.pack("<I", self.length) + body + bytes(self.length % 2)


def read_webp(data: bytes) -> StillImage:
    """Read a WebP: its image, its profile, its orientation.

    Raises:
        InvalidImage: it is animated.
    """
    chunks = list(_chunks(data))
    if sum(chunk.kind == b"ANMF" for chunk in chunks) > 1:
        raise InvalidImage(ANIMATED)
    body = b"".join(chunk.encode() for chunk in _up_to_first_frame(chunks))
    return StillImage(
        "WEBP",
        b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body,
        profiles=tuple(chunk.body for chunk in chunks if chunk.kind == b"ICCP")[:1],
        orientation=orientation_of(chunk.body for chunk in chunks if chunk.kind == b"EXIF"),
    )


def _chunks(data: bytes) -> Iterator[_Chunk]:
    at = 12
    while at + 8 <= len(data):
        kind, length = struct.unpack("<4sI", data[at : at + 8])
        yield _Chunk(kind, length, data[at + 8 : at + 8 + length])
        at += 8 + length + length % 2


def _up_to_first_frame(chunks: list[_Chunk]) -> Iterator[_Chunk]:
    for chunk in chunks:
        if chunk.kind in _PIXELS:
            yield chunk
        if chunk.kind in _FRAMES:
            return
