"""What a picture looks like in sRGB on white, by the standards' formulas in floating point.

Nothing here is shared with the service, which converts colours by ICC profiles.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Decode = Callable[[Floats], Floats]

# Chromaticities of red, green and blue, and the white (ITU-T H.273, table 2).
D65 = (0.3127, 0.329)
BT709 = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06), D65)
P3 = ((0.68, 0.32), (0.265, 0.69), (0.15, 0.06), D65)
BT2020 = ((0.708, 0.292), (0.17, 0.797), (0.131, 0.046), D65)

_D50 = np.array([0.9642, 1.0, 0.8249])


def srgb(signal: Floats) -> Floats:
    return np.where(signal <= 0.04045, signal / 12.92, ((signal + 0.055) / 1.055) ** 2.4)


def encode_srgb(light: Floats) -> Floats:
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)


def linear(signal: Floats) -> Floats:
    return signal


def gamma(exponent: float) -> Decode:
    return lambda signal: signal**exponent


def bt709(signal: Floats) -> Floats:
    return np.where(signal < 0.081, signal / 4.5, ((signal + 0.099) / 1.099) ** (1 / 0.45))


def pq(signal: Floats) -> Floats:
    """SMPTE ST 2084, shown in SDR."""
    m1, m2 = 2610 / 16384, 2523 / 4096 * 128
    c1, c2, c3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
    root = signal ** (1 / m2)
    return _shown(10_000 * (np.maximum(root - c1, 0) / (c2 - c3 * root)) ** (1 / m1))


def hlg(signal: Floats) -> Floats:
    """ITU-R BT.2100 on a display of 1000 cd/m², shown in SDR."""
    a = 0.17883277
    b, c = 1 - 4 * a, 0.5 - a * np.log(4 * a)
    scene = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)
    return _shown(1000 * scene**1.2)


def _shown(luminance: Floats) -> Floats:
    """ITU-R BT.2390, 5.4.1: 1000 cd/m² become white, which is at 203 (BT.2408)."""

    def encode(light: ArrayLike) -> Floats:
        y = (np.asarray(light) / 10_000) ** (2610 / 16384)
        return ((3424 / 4096 + 2413 / 128 * y) / (1 + 2392 / 128 * y)) ** (2523 / 32)

    e1 = np.minimum(encode(luminance) / encode(1000), 1)
    top = encode(203) / encode(1000)
    knee = 1.5 * top - 0.5
    t = (e1 - knee) / (1 - knee)
    spline = (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee)
    spline += (3 * t**2 - 2 * t**3) * top
    wanted = np.where(e1 < knee, e1, spline) * encode(1000)
    levels = np.linspace(0, 1000, 200_001)  # inverts `encode`
    return np.interp(wanted, encode(levels), levels) / 203


def colorants(red: ArrayLike, green: ArrayLike, blue: ArrayLike, white: ArrayLike) -> Floats:
    """Return the matrix from linear RGB to XYZ under D50 (Bradford)."""
    points = np.array([red, green, blue], float)
    xyz = np.stack([points[:, 0], points[:, 1], 1 - points.sum(1)]) / points[:, 1]
    x, y = np.asarray(white, float)
    of_white = np.array([x / y, 1, (1 - x - y) / y])
    cones = np.array(
        [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
    )
    adapt = np.linalg.inv(cones) @ np.diag((cones @ _D50) / (cones @ of_white)) @ cones
    return np.asarray(adapt @ xyz @ np.diag(np.linalg.solve(xyz, of_white)))


def render(
    samples: ArrayLike,
    *,
    to_xyz: Floats | None = None,
    decode: Decode = srgb,
    alpha: ArrayLike | None = None,
) -> NDArray[np.uint8]:
    """Return samples as 8-bit sRGB on white.

    Args:
        samples: [h, w, 1 or 3], 0–1.
        to_xyz: the matrix of `colorants`, or a profile's; sRGB's if none is given.
        decode: from a signal to light.
        alpha: [h, w], 0–1.
    """
    of_srgb = colorants(*BT709)
    values = np.clip(np.asarray(samples, float), 0, 1)
    if values.shape[-1] == 1:
        values = values.repeat(3, axis=-1)
    light = decode(values) @ (of_srgb if to_xyz is None else to_xyz).T @ np.linalg.inv(of_srgb).T
    shown = encode_srgb(np.clip(light, 0, 1))
    if alpha is not None:
        opaque = np.asarray(alpha, float)[..., None]
        shown = shown * opaque + 1 - opaque
    return np.asarray(np.rint(shown * 255), np.uint8)
