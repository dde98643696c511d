"""What else phones write."""

from tests.support.reported.row import (
    Reported,
    jpeg,
    picture,
)


def _odd_scan() -> bytes:
    """Return a baseline JPEG whose scan claims to hold no coefficients."""
    data = bytearray(jpeg())
    at = data.rindex(b"\xff\xda\0\x0c")
    data[at + 11 : at + 14] = b"\0\0\0"
    return bytes(data)


def _twelve_bits() -> bytes:
    data = bytearray(jpeg())
    data[data.index(b"\xff\xc0") + 4] = 12
    return bytes(data)


OTHERS = [
    Reported(
        "phone", "JPEG whose scan states nonsense", _odd_scan, source="lovell/sharp/issues/1578"
    ),
    Reported("phone", "JPEG whose scan states nonsense, without its end", lambda: _odd_scan()[:-2]),
    Reported(
        "phone",
        "JPEG with more bytes before its end",
        lambda: jpeg()[:-2] + bytes(23) + b"\xff\xd9",
    ),
    Reported(
        "phone",
        "JPEG of 50 megapixels as phones count",
        lambda: jpeg(picture(size=(8192, 6144)), quality=75),
        size=(8192, 6144),
    ),
    Reported("phone", "JPEG of 12 bits", _twelve_bits, None, refused="12 bits per sample"),
]
