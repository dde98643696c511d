"""HEIC and AVIF files whose boxes are changed, for what the encoders at hand cannot write."""

import io
import struct
from collections.abc import Iterable

from PIL import Image

Boxes = list[tuple[bytes, bytes]]

_BODIES = {b"meta": 4, b"iprp": 0, b"ipco": 0}  # bytes before the boxes inside


def nclx(primaries: int, transfer: int, *, matrix: int = 6, full: bool = True) -> bytes:
    """Return a `colr` property of code points (ITU-T H.273)."""
    return b"nclx" + struct.pack(">HHHB", primaries, transfer, matrix, full << 7)


def clap(size: tuple[int, int], box: tuple[int, int, int, int], *, parts: int = 1) -> bytes:
    """Return a `clap` property: the aperture's size and its centre's distance from the image's.

    Args:
        size: of the whole image.
        box: left, top, right and bottom of what remains.
        parts: the denominator of the numbers.
    """
    left, top, right, bottom = box
    numbers = [
        *(parts * (right - left), parts, parts * (bottom - top), parts),
        *(parts * (left + right - size[0]), 2 * parts, parts * (top + bottom - size[1]), 2 * parts),
    ]
    return struct.pack(">IIIIiIiI", *numbers)


def with_properties(
    data: bytes, *added: tuple[bytes, bytes], without: Iterable[bytes] = ()
) -> bytes:
    """Return a file whose images, alpha included, have these properties more, and others less."""
    properties = dict(_parse(dict(_parse(data))[b"meta"][4:]))[b"iprp"]
    parts = dict(_parse(properties))
    # A kind that is not known, and not essential, is passed over by every reader.
    kept = [(b"none" if kind in without else kind, body) for kind, body in _parse(parts[b"ipco"])]
    more = bytes(0x80 | (len(kept) + 1 + number) for number in range(len(added)))
    old, at = parts[b"ipma"], 8
    ipma = old[:at]
    for _ in range(int.from_bytes(old[4:8], "big")):
        end = at + 3 + old[at + 2]
        ipma += old[at : at + 2] + bytes([old[at + 2] + len(more)]) + old[at + 3 : end] + more
        at = end
    boxes = [(b"ipco", _join([*kept, *added])), (b"ipma", ipma)]
    return _with_box(data, b"iprp", _join(boxes))


def with_brands(data: bytes, major: bytes, *compatible: bytes) -> bytes:
    """Return a file that states these brands; as many as before, so that nothing moves."""
    size = int.from_bytes(data[:4], "big")
    listed = b"".join(compatible)
    assert len(listed) <= size - 16
    return data[:8] + major + bytes(4) + listed.ljust(size - 16, b"x") + data[size:]


def with_track(data: bytes, *, handler: bytes, samples: int) -> bytes:
    """Return a file with a track beside its items."""
    sizes = _box(b"stsz", bytes(4) + struct.pack(">II", 0, samples) + bytes(4 * samples))
    media = _box(b"hdlr", bytes(8) + handler + bytes(13))
    media += _box(b"minf", _box(b"stbl", sizes))
    return data + _box(b"moov", _box(b"trak", _box(b"mdia", media)))


def heic(image: Image.Image, *more: Image.Image, **save: object) -> bytes:
    """Encode images as stills of one HEIC, of which the first is the primary one."""
    file = io.BytesIO()
    image.save(
        file, "HEIF", quality=-1, chroma=444, save_all=True, append_images=list(more), **save
    )
    return file.getvalue()


def avif(image: Image.Image, **save: object) -> bytes:
    file = io.BytesIO()
    image.save(file, "AVIF", **{"quality": 100, "subsampling": "4:4:4", "speed": 9, **save})
    return file.getvalue()


def _with_box(data: bytes, kind: bytes, body: bytes) -> bytes:
    """Return a file whose `meta` box has another body for a box, and the data in its new place."""
    top = _parse(data)
    meta = dict(top)[b"meta"]
    boxes = [(name, body if name == kind else old) for name, old in _parse(meta[4:])]
    moved = sum(len(new) for _, new in boxes) - sum(len(old) for _, old in _parse(meta[4:]))
    boxes = [(name, _moved(old, moved) if name == b"iloc" else old) for name, old in boxes]
    return _join((name, meta[:4] + _join(boxes) if name == b"meta" else old) for name, old in top)


def _moved(iloc: bytes, by: int) -> bytes:
    """Return item places (version 0, one extent each) that lie further back."""
    assert iloc[0] == 0 and iloc[4] == 0x44
    base, at = iloc[5] >> 4, 8
    changed = bytearray(iloc)
    for _ in range(int.from_bytes(iloc[6:8], "big")):
        offset = at + 4 + base + 2
        (place,) = struct.unpack_from(">I", changed, offset if not base else at + 4)
        struct.pack_into(">I", changed, offset if not base else at + 4, place + by)
        at = offset + 8
    return bytes(changed)


def _parse(data: bytes) -> Boxes:
    found, at = [], 0
    while at < len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        found.append((kind, data[at + 8 : at + size]))
        at += size
    return found


def _join(boxes: Iterable[tuple[bytes, bytes]]) -> bytes:
    return b"".join(_box(kind, body) for kind, body in boxes)


def _box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(body), kind) + body
