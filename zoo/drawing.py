"""Defines the parts that make up a figure, and draws them.

On a figure's axes, x points to where it faces, y points up and the ground is at 0. One unit is 1/64
of the picture's side. A part is a filled path or a line with a width.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import skia

Point = tuple[float, float]
Colour = np.ndarray  # [3] float, 0–255, red green blue


@dataclass(frozen=True)
class Part:
    """A shape and its tone from the figure's palette."""

    path: skia.Path
    tone: str
    width: float = 0.0  # of a line; 0 fills the path
    rim: float = 1.0  # width of its outline, as a share of the picture's outline width


# From the farthest to the nearest. The parts of a layer share one outline.
Layers = tuple[list[Part], ...]


def plus(a: Point, b: Point) -> Point:
    """Add two points."""
    return (a[0] + b[0], a[1] + b[1])


def turned(point: Point, angle: float) -> Point:
    """Return the point turned counter-clockwise about the origin; `angle` in radians."""
    c, s = math.cos(angle), math.sin(angle)
    return (point[0] * c - point[1] * s, point[0] * s + point[1] * c)


def line(points: Sequence[Point], width: float, tone: str) -> Part:
    """Return a polyline with round ends."""
    path = skia.Path()
    path.moveTo(*points[0])
    for point in points[1:]:
        path.lineTo(*point)
    return Part(path, tone, width)


def curve(a: Point, b: Point, c: Point, d: Point, *, width: float, tone: str) -> Part:
    """Return a cubic Bézier line from a to d."""
    path = skia.Path()
    path.moveTo(*a)
    path.cubicTo(*b, *c, *d)
    return Part(path, tone, width)


def polygon(points: Sequence[Point], tone: str) -> Part:
    """Return a closed shape with straight sides."""
    path = skia.Path()
    path.moveTo(*points[0])
    for point in points[1:]:
        path.lineTo(*point)
    path.close()
    return Part(path, tone)


def oval(centre: Point, radii: Point, tone: str, angle: float = 0.0) -> Part:
    """Return an ellipse, turned by `angle` radians."""
    path = skia.Path()
    (x, y), (a, b) = centre, radii
    path.addOval(skia.Rect.MakeLTRB(x - a, y - b, x + a, y + b))
    path.transform(skia.Matrix.RotateDeg(math.degrees(angle), skia.Point(x, y)))
    return Part(path, tone)


def blob(points: Sequence[Point], tone: str) -> Part:
    """Return a closed smooth shape through the points: a Catmull-Rom spline."""
    path, count = skia.Path(), len(points)
    path.moveTo(*points[0])
    for i in range(count):
        before, a, b, after = (points[(i + k) % count] for k in (-1, 0, 1, 2))
        path.cubicTo(
            a[0] + (b[0] - before[0]) / 6,
            a[1] + (b[1] - before[1]) / 6,
            b[0] - (after[0] - a[0]) / 6,
            b[1] - (after[1] - a[1]) / 6,
            *b,
        )
    path.close()
    return Part(path, tone)


def tapered(points: Sequence[Point], first: float, last: float, tone: str) -> list[Part]:
    """Return a polyline whose width goes from `first` to `last`, with round joints and ends."""
    parts, count = [], len(points) - 1
    radii = [(first + (last - first) * i / count) / 2 for i in range(count + 1)]
    for i in range(count):
        (ax, ay), (bx, by) = points[i : i + 2]
        length = math.hypot(bx - ax, by - ay) or 1.0
        across = ((ay - by) / length, (bx - ax) / length)
        corners = [
            (x + side * r * across[0], y + side * r * across[1])
            for x, y, r, side in (
                (ax, ay, radii[i], 1),
                (bx, by, radii[i + 1], 1),
                (bx, by, radii[i + 1], -1),
                (ax, ay, radii[i], -1),
            )
        ]
        parts.append(polygon(corners, tone))
    return parts + [oval(point, (r, r), tone) for point, r in zip(points, radii, strict=True)]


def on_curve(a: Point, b: Point, c: Point, d: Point, *, begin: float) -> list[Point]:
    """Return points of a cubic Bézier line from `begin`, 0–1, to its end."""
    found = []
    for i in range(13):
        t = begin + (1 - begin) * i / 12
        u = 1 - t
        k = (u**3, 3 * u * u * t, 3 * u * t * t, t**3)
        found.append(
            (
                sum(w * p[0] for w, p in zip(k, (a, b, c, d), strict=True)),
                sum(w * p[1] for w, p in zip(k, (a, b, c, d), strict=True)),
            )
        )
    return found


def rimmed(share: float, *parts: Part) -> list[Part]:
    """Return the parts with a different share of the outline; 0 draws none."""
    return [replace(part, rim=share) for part in parts]


def ink(colour: Colour, alpha: int = 255) -> skia.Paint:
    """Return a paint that fills shapes."""
    red, green, blue = (int(x) for x in np.clip(colour, 0, 255))
    return skia.Paint(AntiAlias=True, Color=skia.Color(red, green, blue, alpha))


def pen(colour: Colour, width: float, alpha: int = 255) -> skia.Paint:
    """Return a paint that draws lines with round ends."""
    paint = ink(colour, alpha)
    paint.setStyle(skia.Paint.kStroke_Style)
    paint.setStrokeWidth(width)
    paint.setStrokeCap(skia.Paint.kRound_Cap)
    paint.setStrokeJoin(skia.Paint.kRound_Join)
    return paint


def draw(canvas: skia.Canvas, part: Part, colour: Colour, grow: float = 0.0) -> None:
    """Draw a part in a colour, `grow` units larger on every side."""
    paint = pen(colour, part.width + 2 * grow)
    if part.width == 0:
        paint.setStyle(skia.Paint.kStrokeAndFill_Style if grow else skia.Paint.kFill_Style)
    canvas.drawPath(part.path, paint)
