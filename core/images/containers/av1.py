"""The colours that an AV1 bitstream states itself (AV1 specification, 5.5)."""

from core.images.containers.bits import Bits

_SEQUENCE_HEADER = 1
_MAX_UNITS = 16


def code_points(data: bytes) -> tuple[int, int] | None:
    """Return the colour primaries and transfer characteristics of the first sequence header.

    Returns:
        None if there is no such header, or it states nothing about colours.
    """
    at = 0
    try:
        for _ in range(_MAX_UNITS):
            header = data[at]
            at += 2 if header & 4 else 1  # with or without an extension
            size, at = _leb128(data, at) if header & 2 else (len(data) - at, at)
            if header >> 3 & 15 == _SEQUENCE_HEADER:
                return _code_points(Bits(data[at : at + size]))
            at += size
    except IndexError:
        pass  # cut off; the decoder will say so
    return None


def _leb128(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for number in range(8):
        byte = data[at + number]
        value |= (byte & 127) << 7 * number
        if byte < 128:
            return value, at + number + 1
    raise IndexError("a length has no end")


def _code_points(bits: Bits) -> tuple[int, int] | None:
    """Read `sequence_header_obu` (5.5.1) up to the colours."""
    profile, _still, reduced = bits.take(3), bits.take(), bits.take()
    if reduced:
        bits.take(5)  # level
    else:
        _skip_operating_points(bits)
    width, height = bits.take(4) + 1, bits.take(4) + 1
    bits.take(width + height)
    if not reduced and bits.take():  # frame ids
        bits.take(7)
    bits.take(3)
    if not reduced:
        _skip_tools(bits)
    bits.take(3)
    high = bits.take()
    if profile == 2 and high:
        bits.take()
    if profile != 1:
        bits.take()  # monochrome
    return (bits.take(8), bits.take(8)) if bits.take() else None


def _skip_operating_points(bits: Bits) -> None:
    delay = 0
    if bits.take():  # timing
        bits.take(64)
        if bits.take():
            zeros = 0
            while not bits.take():
                zeros += 1
            bits.take(zeros)
        if bits.take():  # the decoder's model
            delay = bits.take(5) + 1
            bits.take(42)
    displayed = bits.take()
    for _ in range(bits.take(5) + 1):
        bits.take(12)
        if bits.take(5) > 7:  # level, tier
            bits.take()
        if delay and bits.take():
            bits.take(2 * delay + 1)
        if displayed and bits.take():
            bits.take(4)


def _skip_tools(bits: Bits) -> None:
    bits.take(4)
    order = bits.take()
    if order:
        bits.take(2)
    forced = bits.take() or bits.take()  # screen content tools: chosen by each frame, or always
    if forced and not bits.take():
        bits.take()
    if order:
        bits.take(3)
