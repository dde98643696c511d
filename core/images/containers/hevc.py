"""The colours that an HEVC bitstream states itself (ITU-T H.265, 7.3.2.2 and annex E)."""

from core.images.containers.bits import Bits

_SEQUENCE_PARAMETERS = 33  # type of NAL unit
_PROFILE_BITS, _LEVEL_BITS = 88, 8


def code_points(config: bytes) -> tuple[int, int] | None:
    """Return the colour primaries and transfer characteristics of the first parameter set.

    Args:
        config: the body of `hvcC` (ISO/IEC 14496-15, 8.3.3.1).

    Returns:
        None if there is no such set, or it states nothing about colours.
    """
    try:
        at = 23
        for _ in range(config[22]):
            kind, units = config[at] & 63, int.from_bytes(config[at + 1 : at + 3], "big")
            at += 3
            for _ in range(units):
                size = int.from_bytes(config[at : at + 2], "big")
                if kind == _SEQUENCE_PARAMETERS:
                    unit = config[at + 4 : at + 2 + size]  # without its header
                    return _code_points(Bits(unit.replace(b"\0\0\3", b"\0\0")))
                at += 2 + size
    except IndexError:
        pass  # cut off; the decoder will say so
    return None


def _code_points(bits: Bits) -> tuple[int, int] | None:
    """Read `seq_parameter_set_rbsp` up to the colours."""
    bits.skip(4)
    layers = bits.take(3)  # besides the first
    bits.skip(1)
    _skip_profiles(bits, layers)
    bits.take_golomb()
    if bits.take_golomb() == 3:  # 4:4:4
        bits.skip(1)
    _skip_golombs(bits, 2)  # width, height
    if bits.take():  # conformance window
        _skip_golombs(bits, 4)
    _skip_golombs(bits, 2)  # depths
    order_bits = bits.take_golomb() + 4
    _skip_golombs(bits, 3 * (layers + 1 if bits.take() else 1))
    _skip_golombs(bits, 6)  # sizes of blocks
    if bits.take() and bits.take():
        _skip_scaling_lists(bits)
    bits.skip(2)
    if bits.take():  # PCM
        bits.skip(8)
        _skip_golombs(bits, 2)
        bits.skip(1)
    if not _skip_short_term_sets(bits):
        return None
    if bits.take():  # long-term reference pictures
        bits.skip(bits.take_golomb() * (order_bits + 1))
    bits.skip(2)
    return _usability_colors(bits) if bits.take() else None


def _skip_golombs(bits: Bits, count: int) -> None:
    for _ in range(count):
        bits.take_golomb()


def _skip_profiles(bits: Bits, layers: int) -> None:
    """Skip `profile_tier_level` (7.3.3)."""
    bits.skip(_PROFILE_BITS + _LEVEL_BITS)
    present = [(bits.take(), bits.take()) for _ in range(layers)]
    if layers:
        bits.skip(2 * (8 - layers))
    for profile, level in present:
        bits.skip(_PROFILE_BITS * profile + _LEVEL_BITS * level)


def _skip_scaling_lists(bits: Bits) -> None:
    """Skip `scaling_list_data` (7.3.4)."""
    for size in range(4):
        for _ in range(2 if size == 3 else 6):
            if not bits.take():
                bits.take_golomb()
            else:
                _skip_golombs(bits, min(64, 16 << 2 * size) + (size > 1))


def _skip_short_term_sets(bits: Bits) -> bool:
    """Skip `st_ref_pic_set` (7.3.7); False if one is predicted from another, as no still has it."""
    for number in range(bits.take_golomb()):
        if number and bits.take():
            return False
        for _ in range(bits.take_golomb() + bits.take_golomb()):
            bits.take_golomb()
            bits.skip(1)
    return True


def _usability_colors(bits: Bits) -> tuple[int, int] | None:
    """Read `vui_parameters` (E.2.1) up to the colours."""
    if bits.take() and bits.take(8) == 255:  # aspect ratio
        bits.skip(32)
    if bits.take():  # overscan
        bits.skip(1)
    if not bits.take():  # video signal
        return None
    bits.skip(4)
    return (bits.take(8), bits.take(8)) if bits.take() else None
