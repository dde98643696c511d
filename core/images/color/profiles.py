"""The profile for what a file says of its colours, if it does not bring one along."""

import struct
from dataclasses import dataclass
from functools import cache

from core.images.color.icc import curve_tag, rgb_profile
from core.images.color.primaries import PRIMARIES, colorants
from core.images.color.transfers import TRANSFERS, from_srgb

SRGB = b""  # in place of a profile: the colours are sRGB


@dataclass(frozen=True)
class Cicp:
    """Coding-independent code points (H.273): `nclx` of HEIF and AVIF, `cICP` of PNG."""

    primaries: int
    transfer: int
    full_range: bool  # of the RGB samples; else black is at 16, white at 235


def cicp_profile(cicp: Cicp) -> tuple[bytes, ...]:
    """Return a profile for code points; none if they are reserved numbers.

    PQ and HLG are mapped to the range of SDR.
    """
    curve = TRANSFERS.get(cicp.transfer)
    if cicp.primaries not in PRIMARIES or curve is None:
        return ()
    if PRIMARIES[cicp.primaries] == PRIMARIES[1] and curve is from_srgb and cicp.full_range:
        return (SRGB,)
    return (_cicp_profile(cicp),)


@cache
def _cicp_profile(cicp: Cicp) -> bytes:
    curve = TRANSFERS[cicp.transfer]
    low, high = (0.0, 1.0) if cicp.full_range else (16 / 255, 235 / 255)
    table = curve_tag(lambda signal: curve(min(max((signal - low) / (high - low), 0.0), 1.0)))
    return rgb_profile(colorants(*PRIMARIES[cicp.primaries]), table)


def gamma_profile(gamma: float, points: list[float]) -> tuple[bytes, ...]:
    """Return a profile for PNG's `gAMA` and `cHRM`; none if both are missing or absurd.

    Args:
        gamma: the exponent of the encoding, such as 1/2.2; 0 if there is none.
        points: x and y of white, red, green and blue; empty if there are none.
    """
    exponent = 1 / gamma if 0.05 <= gamma <= 20 else 0.0
    if not points and not exponent:
        return ()
    red, green, blue, white = PRIMARIES[1]
    if points:
        white, red, green, blue = zip(points[::2], points[1::2], strict=True)
    curve = curve_tag((lambda signal: float(signal**exponent)) if exponent else from_srgb)
    try:
        return (rgb_profile(colorants(red, green, blue, white), curve),)
    except (ZeroDivisionError, OverflowError, struct.error):  # points that span no triangle
        return gamma_profile(gamma, []) if points else ()
