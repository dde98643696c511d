"""Handmade colour profiles (ICC.1:2001-04, matrix and curves), for pictures that carry one."""

import struct

Colour = tuple[float, float, float]

# sRGB's colorants as a profile stores them: XYZ under D50 (IEC 61966-2-1, Bradford-adapted).
RED = (0.4361, 0.2225, 0.0139)
GREEN = (0.3851, 0.7169, 0.0971)
BLUE = (0.1431, 0.0606, 0.7141)

_WHITE = (0.9642, 1.0, 0.8249)  # D50


def colour_profile(red: Colour, green: Colour, blue: Colour, *, gamma: float = 2.2) -> bytes:
    """Return a display's profile: these colorants (XYZ under D50), a gamma."""
    colorants = {b"rXYZ": _xyz(red), b"gXYZ": _xyz(green), b"bXYZ": _xyz(blue)}
    curves = dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), _curve(gamma))
    return _profile(b"RGB ", colorants | curves)


def gray_profile(gamma: float) -> bytes:
    """Return the profile of gray with a gamma."""
    return _profile(b"GRAY", {b"kTRC": _curve(gamma)})


def _curve(gamma: float) -> bytes:
    return b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256)) + bytes(2)


def _profile(space: bytes, tags: dict[bytes, bytes]) -> bytes:
    tags = tags | {
        b"wtpt": _xyz(_WHITE),
        b"desc": b"desc" + bytes(4) + struct.pack(">I", 2) + b"t\0" + bytes(78),
    }
    at = 128 + 4 + 12 * len(tags)
    table, bodies = struct.pack(">I", len(tags)), b""
    for name, body in tags.items():
        table += name + struct.pack(">II", at + len(bodies), len(body))
        bodies += body
    size = struct.pack(">I", 128 + len(table) + len(bodies))
    header = size + bytes(4) + bytes.fromhex("02400000") + b"mntr" + space + b"XYZ " + bytes(12)
    header += b"acsp" + bytes(28) + _fixed(_WHITE)
    return header.ljust(128, b"\0") + table + bodies


def _xyz(colour: tuple[float, ...]) -> bytes:
    return b"XYZ " + bytes(4) + _fixed(colour)


def _fixed(numbers: tuple[float, ...]) -> bytes:
    """Encode a number as an s15Fixed16."""
    return struct.pack(f">{len(numbers)}i", *(round(number * 65536) for number in numbers))
