"""Transfer characteristics (ITU-T H.273, table 3): from a signal to light, both 0–1."""

from collections.abc import Callable

Curve = Callable[[float], float]

WHITE_LUMINANCE = 203.0  # cd/m² of white in an SDR rendering of HDR (ITU-R BT.2408)
PEAK_LUMINANCE = 1000.0  # cd/m² of the brightest that is kept apart from white


def from_srgb(signal: float) -> float:
    """Return the light of a signal in sRGB (IEC 61966-2-1)."""
    return signal / 12.92 if signal <= 0.04045 else float(((signal + 0.055) / 1.055) ** 2.4)


def _from_bt709(signal: float) -> float:
    return (
        signal / 4.5
        if signal < 0.08124286
        else float(((signal + 0.09929683) / 1.09929683) ** (1 / 0.45))
    )


def _from_smpte240(signal: float) -> float:
    return (
        signal / 4
        if signal < 0.0912863
        else float(((signal + 0.11157220) / 1.11157220) ** (1 / 0.45))
    )


def _power(gamma: float) -> Curve:
    return lambda signal: float(signal**gamma)


def _logarithm(decades: float) -> Curve:
    return lambda signal: 0.0 if signal <= 0 else float(10 ** ((signal - 1) * decades))


def _pq_luminance(signal: float) -> float:
    """Return cd/m² (SMPTE ST 2084, EOTF)."""
    root = signal ** (32 / 2523)
    ratio = max(root - 0.8359375, 0.0) / (18.8515625 - 18.6875 * root)
    return float(10_000 * ratio ** (8192 / 1305))


def _pq_signal(luminance: float) -> float:
    root = (luminance / 10_000) ** (1305 / 8192)
    return float(((0.8359375 + 18.8515625 * root) / (1 + 18.6875 * root)) ** (2523 / 32))


def _hlg_luminance(signal: float) -> float:
    """Return cd/m² on a display of the peak luminance (ITU-R BT.2100, table 5; gray's OOTF)."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = signal**2 / 3 if signal <= 0.5 else (2.718281828459045 ** ((signal - c) / a) + b) / 12
    return float(PEAK_LUMINANCE * scene**1.2)


def _to_sdr(luminance: float) -> float:
    """Map a luminance to light of SDR, 0–1 (ITU-R BT.2390, 5.4.1, on each channel)."""
    peak = _pq_signal(PEAK_LUMINANCE)
    signal, top = min(_pq_signal(luminance) / peak, 1.0), _pq_signal(WHITE_LUMINANCE) / peak
    knee = 1.5 * top - 0.5
    if signal > knee:
        t = (signal - knee) / (1 - knee)
        signal = (
            (2 * t**3 - 3 * t**2 + 1) * knee
            + (t**3 - 2 * t**2 + t) * (1 - knee)
            + (3 * t**2 - 2 * t**3) * top
        )
    return _pq_luminance(signal * peak) / WHITE_LUMINANCE


# By their number; 2 states nothing, and stills are sRGB then.
TRANSFERS: dict[int, Curve] = {
    1: _from_bt709,
    2: from_srgb,
    4: _power(2.2),
    5: _power(2.8),
    6: _from_bt709,
    7: _from_smpte240,
    8: _power(1.0),
    9: _logarithm(2.0),
    10: _logarithm(2.5),
    11: _from_bt709,
    12: _from_bt709,
    13: from_srgb,
    14: _from_bt709,
    15: _from_bt709,
    16: lambda signal: _to_sdr(_pq_luminance(signal)),
    17: lambda signal: min(float(signal**2.6) * 52.37 / 48, 1.0),
    18: lambda signal: _to_sdr(_hlg_luminance(signal)),
}
