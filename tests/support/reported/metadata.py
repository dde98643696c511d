"""Metadata that is broken, or more than a reader likes."""

import struct
import zlib

from tests.support import crafted_images as crafted
from tests.support import png_files
from tests.support.color_profiles import BLUE, GREEN, RED, colour_profile
from tests.support.reported.row import (
    QUADRANTS,
    SIZE,
    SWAPPED,
    Reported,
    avif_with_exif,
    insert,
    jpeg,
    png,
    save,
)

_MUCH = zlib.compress(b"a word " * 200_000)


def _bad_crc(kind: bytes, body: bytes) -> bytes:
    return insert(save("PNG"), crafted.chunk(kind, body)[:-4] + b"\1\2\3\4")


def _large_profile() -> bytes:
    """Return a profile of 2 MB that swaps red and green."""
    profile = colour_profile(GREEN, RED, BLUE) + bytes(2_000_000)
    return struct.pack(">I", len(profile)) + profile[4:]


METADATA = [
    Reported("metadata", "PNG text with a wrong checksum", lambda: _bad_crc(b"tEXt", b"a\0b")),
    Reported(
        "metadata",
        "PNG transparency with a wrong checksum",
        lambda: _bad_crc(b"tRNS", struct.pack(">3H", *QUADRANTS[0])),
    ),
    Reported(
        "metadata",
        "PNG zTXt of 1.4 MB",
        lambda: png((b"zTXt", b"prompt\0\0" + _MUCH)),
        source="python-pillow/Pillow/issues/8363",
    ),
    Reported(
        "metadata",
        "PNG iTXt of 1.4 MB",
        lambda: png((b"iTXt", b"prompt\0\1\0\0\0" + _MUCH), after=2),
    ),
    Reported(
        "metadata",
        "PNG profile of 2 MB",
        lambda: png(png_files.icc_chunk(_large_profile())),
        SWAPPED,
        source="python-pillow/Pillow/issues/2445",
    ),
    Reported(
        "metadata",
        "PNG profile that cannot be unpacked",
        lambda: png((b"iCCP", b"p\0\0no profile")),
    ),
    Reported("metadata", "PNG EXIF that is none", lambda: png((b"eXIf", b"Exif"))),
    Reported("metadata", "PNG with a short acTL", lambda: png((b"acTL", b"\0"))),
    Reported("metadata", "PNG with a short pHYs", lambda: png((b"pHYs", b"\0"))),
    Reported(
        "metadata",
        "JPEG EXIF that is only a name",
        lambda: jpeg(exif=b"Exif\0\0"),
        source="python-pillow/Pillow/issues/4852",
    ),
    Reported(
        "metadata",
        "JPEG XMP in the place of EXIF",
        lambda: jpeg(exif=b"Exif\0\0http://ns.adobe.com/xap/1.0/\0"),
        source="python-pillow/Pillow/issues/7879",
    ),
    *(
        Reported(
            "metadata",
            f"JPEG with a broken {name}",
            lambda marker=marker, body=body: (
                b"\xff\xd8" + crafted.segment(marker, body) + jpeg()[2:]
            ),
        )
        for name, marker, body in (
            ("Photoshop block", 0xED, b"Photoshop 3.0\x008BIM\x03\xed\0"),
            ("index of images", 0xE2, b"MPF\0MM\0*\xff\xff\xff\xff"),
            ("profile", 0xE2, b"ICC_PROFILE\0\1\2" + bytes(200)),
            ("FlashPix block", 0xE2, b"FPXR\0"),
            ("JFIF extension", 0xE0, b"JFXX\0\x10"),
        )
    ),
    Reported(
        "metadata",
        "WebP with an unknown chunk before EXIF",
        lambda: _webp_with(b"PSAI" + struct.pack("<I", 6) + b"8BIM\4\4"),
        source="image-rs/image-webp/issues/73",
    ),
    Reported(
        "metadata",
        "AVIF with EXIF that is none",
        lambda: avif_with_exif().replace(b"MM\0*", b"none"),
        source="AOMediaCodec/libavif/issues/3306",
    ),
]


def _webp_with(chunk: bytes) -> bytes:
    data = save("WEBP", lossless=True)
    flags = bytes([0b1000]) + bytes(3)
    sides = b"".join((side - 1).to_bytes(3, "little") for side in SIZE)
    body = b"WEBPVP8X" + struct.pack("<I", 10) + flags + sides + data[12:] + chunk
    body += b"EXIF" + struct.pack("<I", 4) + b"none"
    return b"RIFF" + struct.pack("<I", len(body)) + body
