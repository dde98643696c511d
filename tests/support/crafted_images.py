"""Handmade hostile pictures, grouped as in the table of bad inputs."""

import io
import struct
import zlib
from collections.abc import Iterator

from PIL import ExifTags, Image

from tests.support.color_profiles import BLUE, GREEN, RED, colour_profile

PNG = b"\x89PNG\r\n\x1a\n"
MIB = 2**20


def photo(
    form: str, *, mode: str = "RGB", size: tuple[int, int] = (96, 64), **save: object
) -> bytes:
    """Return a small picture with some detail."""
    shade = Image.linear_gradient("L").resize(size)
    bands = [shade, shade.transpose(Image.Transpose.FLIP_LEFT_RIGHT), shade.rotate(180)]
    file = io.BytesIO()
    Image.merge("RGB", bands).convert(mode).save(file, form, **save)
    return file.getvalue()


def animated(form: str) -> bytes:
    file = io.BytesIO()
    frames = [Image.new("RGB", (64, 64), colour) for colour in ("red", "blue")]
    frames[0].save(file, form, save_all=True, append_images=frames[1:])
    return file.getvalue()


# --- PNG


def chunk(kind: bytes, data: bytes) -> bytes:
    check = struct.pack(">I", zlib.crc32(kind + data))
    return struct.pack(">I", len(data)) + kind + data + check


def png(width: int, height: int, *chunks: bytes, depth: int = 8, colour: int = 0) -> bytes:
    """Return a PNG with these chunks between its header and its end."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return PNG + chunk(b"IHDR", header) + b"".join(chunks) + chunk(b"IEND", b"")


def zeros(count: int) -> bytes:
    """Return this many zeros, compressed a thousandfold."""
    packer = zlib.compressobj(9)
    return b"".join([*(packer.compress(bytes(MIB)) for _ in range(count // MIB)), packer.flush()])


def png_bombs() -> Iterator[bytes]:
    rows = chunk(b"IDAT", zlib.compress(bytes(65 * 64)))
    bomb = zeros(128 * MIB)
    yield png(64, 64, chunk(b"IDAT", bomb))  # far more pixels than its header states
    yield png(7000, 7000, chunk(b"IDAT", zeros(50 * MIB)), depth=1)
    yield png(60_000, 60_000, chunk(b"IDAT", bomb))
    yield png(2**31 - 1, 2**31 - 1, rows)
    yield png(64, 64, chunk(b"iCCP", b"a\0\0" + bomb), rows)
    yield png(64, 64, chunk(b"zTXt", b"a\0\0" + bomb), rows)
    yield png(64, 64, chunk(b"iTXt", b"a\0\1\0\0\0" + bomb), rows)
    yield png(64, 64, *[chunk(b"zTXt", b"%d\0\0" % i + zeros(MIB)) for i in range(100)], rows)
    yield png(64, 64, *[chunk(b"tEXt", b"%d\0" % i) for i in range(100_000)], rows)
    yield png(64, 64, chunk(b"eXIf", bytes(8 * MIB)), rows)


def broken_pngs() -> Iterator[bytes]:
    """Yield PNGs whose chunks and checksums are intact, but whose contents are not."""
    rows = zlib.compress(bytes(65 * 64))
    yield png(64, 64, chunk(b"IDAT", rows[:2] + b"no rows"))
    yield png(64, 64, chunk(b"IDAT", rows[:-20]), chunk(b"IDAT", b"no rows"))
    yield png(64, 64, chunk(b"IDAT", rows), colour=3)  # no palette


# --- JPEG


def segment(marker: int, data: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data


def jpeg_of_many_scans(scans: int, *, side: int = 7000) -> bytes:
    """Return a JPEG with ten bytes per scan; the decoder processes the whole picture in each."""
    frame = struct.pack(">BHHB", 8, side, side, 1) + b"\1\x11\0"
    tables = segment(0xDB, b"\0" + b"\1" * 64)
    for kind in (0x00, 0x10):  # one code of one bit, for the value 0
        tables += segment(0xC4, bytes([kind, 1]) + bytes(15) + b"\0")
    first = segment(0xDA, b"\1\1\0\0\0\0") + b"\0"
    more = segment(0xDA, b"\1\1\0\1\x3f\0") + b"\0"
    return b"\xff\xd8" + tables + segment(0xC2, frame) + first + more * scans + b"\xff\xd9"


def jpeg_sized(width: int, height: int) -> bytes:
    """Return a small JPEG whose header states another size."""
    data = bytearray(photo("JPEG"))
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = struct.pack(">HH", height, width)
    return bytes(data)


# --- WebP, HEIF, AVIF


def webp(kind: bytes, data: bytes) -> bytes:
    body = b"WEBP" + kind + struct.pack("<I", len(data)) + data + bytes(len(data) % 2)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def sized_by_ispe(form: str, width: int, height: int) -> bytes:
    """Return a HEIF or AVIF whose `ispe` property states another size."""
    data = bytearray(photo(form))
    at = data.index(b"ispe") + 8
    data[at : at + 8] = struct.pack(">II", width, height)
    return bytes(data)


def oversized() -> Iterator[bytes]:
    """Yield pictures whose headers state too large a size."""
    yield jpeg_sized(65_500, 65_500)
    yield jpeg_sized(10_000, 5_051)
    yield webp(b"VP8L", b"\x2f" + struct.pack("<I", 0x0FFFFFFF) + bytes(100))
    yield webp(b"VP8 ", b"\x30\x01\x00\x9d\x01\x2a\xff\x3f\xff\x3f" + bytes(100))
    yield webp(b"VP8X", bytes(4) + b"\xff" * 6)
    for form in ("HEIF", "AVIF"):
        for side in (8_000, 40_000, 2**31 - 1, 2**32 - 1):
            yield sized_by_ispe(form, side, side)


# --- Metadata


def ifd(*entries: tuple[int, int, int, int], then: int = 0) -> bytes:
    """Return EXIF of one directory: tag, type, count, value or offset."""
    rows = b"".join(struct.pack(">HHII", *entry) for entry in entries)
    return (
        b"Exif\0\0MM\0*\0\0\0\x08"
        + struct.pack(">H", len(entries))
        + rows
        + struct.pack(">I", then)
    )


def exifs() -> Iterator[bytes]:
    yield b"Exif"
    yield b"Exif\0\0"
    yield b"Exif\0\0" + bytes(60_000)
    yield b"Exif\0\0MM\0*\xff\xff\xff\xff"
    yield ifd((0x112, 3, 1, 6 << 16), then=8)  # followed by itself
    yield ifd((0x8769, 4, 1, 8), (0x8825, 4, 1, 8), (0x014A, 4, 1, 8))  # nested in itself
    yield ifd((0x112, 3, 2**32 - 1, 0))
    yield ifd((0x112, 2, 4, 0x36000000))
    yield ifd((0x112, 5, 1, 8))
    yield ifd((0x112, 3, 1, 6 << 16), (0x10F, 7, 2**31, 2**31))
    yield ifd(*[(0x112, 3, 1, 6 << 16)] * 5_000)
    for orientation in (0, 9, 255, 65_535):
        yield ifd((0x112, 3, 1, orientation << 16))


def with_exif(form: str, exif: bytes) -> bytes:
    """Return a picture with this EXIF, which Pillow's HEIF and AVIF writers would reject."""
    if form not in ("HEIF", "AVIF"):
        return photo(form, exif=exif)
    plain = ifd((0x100, 3, 1, 1 << 16))
    size = max(len(plain), len(exif))
    written = photo(form, exif=plain.ljust(size, b"\0"))
    found = written.replace(plain[6:].ljust(size - 6, b"\0"), exif[6:].ljust(size - 6, b"\0"))
    assert found != written
    return found


def unwritable_exif() -> bytes:
    """Return EXIF with text instead of a number: Pillow can read it, but not write it."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    exif[ExifTags.Base.Make] = "Maker"
    return exif.tobytes().replace(b"\x01\x0f\x00\x02", b"\x01\x03\x00\x02")  # Compression


def profiles() -> Iterator[bytes]:
    whole = colour_profile(RED, GREEN, BLUE)
    yield b"\0"
    yield bytes(60_000)
    yield whole[:200]
    yield whole[:128] + b"\xff\xff\xff\xff" + whole[132:]  # the number of tags
    yield whole[:132] + b"rXYZ\xff\xff\xff\xf0\0\0\0\x10" + whole[144:]
    yield b"\xff\xff\xff\xff" + whole[4:]
    yield whole.replace(b"RGB ", b"CMYK")
    yield whole.replace(b"mntr", b"link")
    yield whole.replace(b"curv", b"para")


# --- Polyglots, and files of other formats


def polyglots() -> Iterator[bytes]:
    jpeg, html = photo("JPEG"), b"<html><script>alert(1)</script></html>"
    archive = b"PK\x03\x04" + bytes(26) + b"PK\x05\x06" + bytes(18)
    for data in (jpeg, photo("PNG"), photo("WEBP"), photo("AVIF"), photo("HEIF")):
        for other in (archive, html, b"%PDF-1.7\n%%EOF", b"#!/bin/sh\n"):
            yield data + other
            yield other + data
    yield photo("JPEG", comment=html)
    yield png(64, 64, chunk(b"tEXt", b"a\0" + html), chunk(b"IDAT", zlib.compress(bytes(65 * 64))))
    yield b"GIF89a" + jpeg
    yield b"\xff\xd8\xff" + photo("PNG")
    yield PNG + jpeg
    yield b"RIFF\0\0\0\0WEBP" + jpeg
    yield photo("AVIF").replace(b"avif", b"heic")
    yield photo("HEIF").replace(b"heic", b"avif")


def other_kinds() -> Iterator[bytes]:
    for form in ("GIF", "BMP", "TIFF", "ICO", "PPM", "TGA", "PCX", "JPEG2000", "PDF", "EPS", "DDS"):
        yield photo(form)
    yield b"8BPS\0\1" + bytes(100)
    yield b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/></svg>"
    yield b"\0\0\0\x18ftypisom\0\0\2\0isomiso2mp41" + bytes(500)
    yield b"\0\0\0\x14ftypqt  \0\0\2\0qt  " + bytes(500)
    yield b"\xff\x0a" + bytes(100)  # JPEG XL
    yield b"RIFF\x24\0\0\0WAVEfmt " + bytes(100)
    yield b"#!/bin/sh\nexit 1\n"
    yield b"\x1f\x8b" + bytes(100)
