"""ICC profiles of matrix and curves (ICC.1:2001-04): written and read."""

import struct
from functools import cache

from core.images.color.primaries import D50, Matrix, Vector
from core.images.color.transfers import Curve, from_srgb

_NODES = 255 * 16 + 1  # of a curve; every 8-bit sample is on one
_CURVES = (b"rTRC", b"gTRC", b"bTRC")
_COLORANTS = (b"rXYZ", b"gXYZ", b"bXYZ")


def rgb_profile(colorants: Matrix, *curves: bytes) -> bytes:
    """Return a display's profile (ICC.1:2001-04, matrix and curves).

    Args:
        colorants: XYZ under D50 of red, green and blue.
        curves: the tag of each channel's curve, or one for all.
    """
    tags = {name: _xyz(color) for name, color in zip(_COLORANTS, colorants, strict=True)}
    tags |= dict(zip(_CURVES, curves if len(curves) == 3 else curves * 3, strict=True))
    return _profile(b"RGB ", tags)


def gray_profile(curve: bytes) -> bytes:
    """Return the profile of gray samples with this curve's tag."""
    return _profile(b"GRAY", {b"kTRC": curve})


def color_space_of(profile: bytes) -> bytes:
    """Return the signature of a profile's colour space, such as `RGB ` and `GRAY`."""
    return profile[16:20]


def curves_and_colorants(profile: bytes) -> tuple[list[bytes], Matrix] | None:
    """Return the curves, as profiles of gray, and the colorants of a profile of them, else None."""
    tags = _tags(profile)
    if b"A2B0" in tags or any(tags.get(name, b"")[:4] != b"XYZ " for name in _COLORANTS):
        return None
    if any(tags.get(name, b"")[:4] not in (b"curv", b"para") for name in _CURVES):
        return None
    numbers = [struct.unpack(">3i", tags[name][8:20]) for name in _COLORANTS]
    red, green, blue = (tuple(number / 65536 for number in color) for color in numbers)
    return [gray_profile(tags[name]) for name in _CURVES], (red, green, blue)


def curve_tag(curve: Curve) -> bytes:
    """Return a curve as a table (ICC.1, `curveType`)."""
    lights = (curve(node / (_NODES - 1)) for node in range(_NODES))
    table = [round(65535 * min(max(light, 0.0), 1.0)) for light in lights]
    return b"curv" + bytes(4) + struct.pack(f">I{_NODES}H", _NODES, *table)


@cache
def srgb_curve() -> bytes:
    """Return the curve of sRGB as a tag."""
    return curve_tag(from_srgb)


def _profile(space: bytes, tags: dict[bytes, bytes]) -> bytes:
    tags = {b"desc": b"desc" + bytes(4) + struct.pack(">I", 2) + b"-\0" + bytes(78), **tags}
    tags[b"wtpt"] = _xyz(D50)
    at = 128 + 4 + 12 * len(tags)
    table, bodies = struct.pack(">I", len(tags)), b""
    for name, body in tags.items():
        table += name + struct.pack(">II", at + len(bodies), len(body))
        bodies += body + bytes(-len(body) % 4)
    size = struct.pack(">I", at + len(bodies))
    header = size + bytes(4) + bytes.fromhex("02400000") + b"mntr" + space + b"XYZ " + bytes(12)
    header += b"acsp" + bytes(28) + _xyz(D50)[8:]
    return header.ljust(128, b"\0") + table + bodies


def _xyz(color: Vector) -> bytes:
    return b"XYZ " + bytes(4) + struct.pack(">3i", *(round(value * 65536) for value in color))


def _tags(profile: bytes) -> dict[bytes, bytes]:
    """Return the tags of a profile; empty if it is broken."""
    try:
        (count,) = struct.unpack_from(">I", profile, 128)
        entries = [
            struct.unpack_from(">4sII", profile, 132 + 12 * i) for i in range(min(count, 100))
        ]
    except struct.error:
        return {}
    return {name: profile[at : at + size] for name, at, size in entries}
