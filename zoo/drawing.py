"""Parts to draw figures from, and how they are inked.

A figure's own axes: x to where it faces, y up, the ground at 0; one unit is 1/64 of the picture's
side. A part is a path that is filled, or a line of some width.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import skia

Point = tuple[float, float]
Colour = np.ndarray  # [3] float, 0–255, red green blue


@dataclass(frozen=True)
class Part:
    """A shape and the tone it takes of the figure's palette."""

    path: skia.Path
    tone: str
    width: float = 0.0  # of a line; 0 fills the path


def plus(a: Point, b: Point) -> Point:
    """The sum of two points."""
    return (a[0] + b[0], a[1] + b[1])


def turned(point: Point, angle: float) -> Point:
    """The point turned about the origin, counter-clockwise, radians."""
    c, s = math.cos(angle), math.sin(angle)
    return (point[0] * c - point[1] * s, point[0] * s + point[1] * c)


def line(points: Sequence[Point], width: float, tone: str) -> Part:
    """A polyline with round ends."""
    path = skia.Path()
    path.moveTo(*points[0])
    for point in points[1:]:
        path.lineTo(*point)
    return Part(path, tone, width)


def curve(a: Point, b: Point, c: Point, d: Point, *, width: float, tone: str) -> Part:
    """A cubic Bézier line from a to d."""
    path = skia.Path()
    path.moveTo(*a)
    path.cubicTo(*b, *c, *d)
    return Part(path, tone, width)


def polygon(points: Sequence[Point], tone: str) -> Part:
    """A closed shape with straight sides."""
    path = skia.Path()
    path.moveTo(*points[0])
    for point in points[1:]:
        path.lineTo(*point)
    path.close()
    return Part(path, tone)


def oval(centre: Point, radii: Point, tone: str, angle: float = 0.0) -> Part:
    """An ellipse, turned by `angle` radians."""
    path = skia.Path()
    (x, y), (a, b) = centre, radii
    path.addOval(skia.Rect.MakeLTRB(x - a, y - b, x + a, y + b))
    path.transform(skia.Matrix.RotateDeg(math.degrees(angle), skia.Point(x, y)))
    return Part(path, tone)


def ink(colour: Colour, alpha: int = 255) -> skia.Paint:
    """Paint that fills."""
    red, green, blue = (int(x) for x in np.clip(colour, 0, 255))
    return skia.Paint(AntiAlias=True, Color=skia.Color(red, green, blue, alpha))


def pen(colour: Colour, width: float, alpha: int = 255) -> skia.Paint:
    """Paint that draws round-ended lines."""
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
