"""Primaries (ITU-T H.273, table 2) and their place in the space of ICC profiles."""

Vector = tuple[float, ...]
Matrix = tuple[Vector, Vector, Vector]

D50 = (0.9642, 1.0, 0.8249)  # XYZ, the white of ICC profiles
_D65, _C, _E = (0.3127, 0.329), (0.31, 0.316), (1 / 3, 1 / 3)  # xy
_BT709 = ((0.64, 0.33), (0.3, 0.6), (0.15, 0.06), _D65)
_SMPTE_C = ((0.63, 0.34), (0.31, 0.595), (0.155, 0.07), _D65)
_P3 = ((0.68, 0.32), (0.265, 0.69), (0.15, 0.06))
# Red, green, blue and white (xy), by their number; 2 states nothing.
PRIMARIES = {
    1: _BT709,
    2: _BT709,
    4: ((0.67, 0.33), (0.21, 0.71), (0.14, 0.08), _C),
    5: ((0.64, 0.33), (0.29, 0.6), (0.15, 0.06), _D65),
    6: _SMPTE_C,
    7: _SMPTE_C,
    8: ((0.681, 0.319), (0.243, 0.692), (0.145, 0.049), _C),
    9: ((0.708, 0.292), (0.17, 0.797), (0.131, 0.046), _D65),
    10: ((1.0, 0.0), (0.0, 1.0), (0.0, 0.0), _E),
    11: (*_P3, (0.314, 0.351)),
    12: (*_P3, _D65),
    22: ((0.63, 0.34), (0.295, 0.605), (0.155, 0.077), _D65),
}

# Bradford's matrix of cone responses, as ICC.1 (annex E) uses it.
_BRADFORD: Matrix = (
    (0.8951, 0.2664, -0.1614),
    (-0.7502, 1.7135, 0.0367),
    (0.0389, -0.0685, 1.0296),
)


def colorants(red: Vector, green: Vector, blue: Vector, white: Vector) -> Matrix:
    """Return XYZ under D50 of red, green and blue, given all four as xy."""
    primaries = _columns(*(_from_xy(color) for color in (red, green, blue)))
    shares = _times(_inverse(primaries), _from_xy(white))
    adapt = _adaptation(_from_xy(white))
    r, g, b = (
        _times(adapt, tuple(share * value for value in color))
        for share, color in zip(shares, _columns(*primaries), strict=True)
    )
    return r, g, b


def _adaptation(white: Vector) -> Matrix:
    """Return the matrix that takes a white to D50."""
    gains = [
        to / of for to, of in zip(_times(_BRADFORD, D50), _times(_BRADFORD, white), strict=True)
    ]
    scaled = _columns(
        *(
            tuple(gain * value for gain, value in zip(gains, column, strict=True))
            for column in _columns(*_BRADFORD)
        )
    )
    back = _inverse(_BRADFORD)
    return _columns(*(_times(back, column) for column in _columns(*scaled)))


def _from_xy(color: Vector) -> Vector:
    x, y = color
    # PRIMARIES' number 10 has a blue without luminance.
    return (x / y, 1.0, (1 - x - y) / y) if y else (x, y, 1 - x - y)


def _columns(a: Vector, b: Vector, c: Vector) -> Matrix:
    """Transpose a matrix."""
    x, y, z = zip(a, b, c, strict=True)
    return x, y, z


def _times(matrix: Matrix, vector: Vector) -> Vector:
    return tuple(sum(m * v for m, v in zip(row, vector, strict=True)) for row in matrix)


def _cross(a: Vector, b: Vector) -> Vector:
    return a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]


def _inverse(matrix: Matrix) -> Matrix:
    a, b, c = matrix
    determinant = sum(x * y for x, y in zip(a, _cross(b, c), strict=True))
    rows = (
        tuple(v / determinant for v in pair) for pair in (_cross(b, c), _cross(c, a), _cross(a, b))
    )
    return _columns(*rows)
