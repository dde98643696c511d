"""Draws the things in each place in detail, for large pictures.

Units are those of `places`. These things replace its plain ones, in the same spots and sizes.
"""

import math
from collections.abc import Callable

import numpy as np
import skia

from zoo.drawing import Colour, ink, pen

RGB = tuple[int, int, int]
Wash = Callable[[RGB | Colour], Colour]
Spot = tuple[float, float]

SHINE = np.array((255.0, 255, 255))
CLOUD = (255, 255, 255)
CROWN = ((-3.0, 6.9, 2.9), (3.0, 6.8, 2.9), (-1.9, 9.8, 3.1), (2.1, 9.7, 3.0), (0.0, 11.4, 2.7))
FLOWERS = ((252, 250, 244), (250, 214, 76), (236, 136, 160))


def toned(colour: Colour, share: float) -> Colour:
    """Return a lighter colour for a share above 0, a darker one for a share below 0."""
    return colour + (SHINE - colour) * share if share > 0 else colour * (1 + share)


def draw_sun(canvas: skia.Canvas, x: float, y: float, wash: Wash) -> None:
    """Draw a disc with a glow."""
    glow = wash((255, 240, 170))
    for radius, alpha in ((7.2, 46), (5.6, 70)):
        canvas.drawCircle(x, y, radius, ink(glow, alpha))
    canvas.drawCircle(x, y, 4.0, ink(wash((255, 222, 84))))
    canvas.drawCircle(x - 0.5, y - 0.6, 2.9, ink(wash((255, 234, 128))))


def draw_moon(canvas: skia.Canvas, x: float, y: float, wash: Wash) -> None:
    """Draw a crescent with a glow."""
    canvas.drawCircle(x, y, 6.2, ink(wash((120, 124, 170)), 56))
    disc, bite = skia.Path(), skia.Path()
    disc.addCircle(x, y, 3.9)
    bite.addCircle(x + 1.9, y - 0.9, 3.2)
    canvas.drawPath(skia.Op(disc, bite, skia.kDifference_PathOp), ink(wash((250, 244, 200))))


def draw_star(canvas: skia.Canvas, x: float, y: float, number: int, wash: Wash) -> None:
    """Draw a point of light; every third star has four rays."""
    paint = ink(wash((250, 250, 220)))
    if number % 3:
        canvas.drawCircle(x, y, 0.55, paint)
        return
    path = skia.Path()
    path.moveTo(x, y - 1.7)
    for dx, dy, bx, by in (
        (1.7, 0, 0.3, -0.3),
        (0, 1.7, 0.3, 0.3),
        (-1.7, 0, -0.3, 0.3),
        (0, -1.7, -0.3, -0.3),
    ):
        path.quadTo(x + bx, y + by, x + dx, y + dy)
    path.close()
    canvas.drawPath(path, paint)


def draw_clouds(canvas: skia.Canvas, spots: np.ndarray, horizon: float, wash: Wash) -> None:
    """Draw two clouds, each of a few circles; spots [2, 2], 0–1."""
    paint = ink(wash(CLOUD), 190)
    for u, v in spots:
        x, y, size = u * 64, 5 + v * (horizon * 0.45), 0.8 + 0.5 * v
        path = skia.Path()
        for dx, dy, radius in (
            (-3.6, 0.2, 1.7),
            (-1.2, -0.9, 2.3),
            (1.7, -0.4, 2.0),
            (3.9, 0.5, 1.4),
        ):
            path.addCircle(x + dx * size, y + dy * size, radius * size)
        path.addRect(skia.Rect.MakeLTRB(x - 3.6 * size, y, x + 3.9 * size, y + 1.9 * size))
        canvas.drawPath(path, paint)


def draw_ridge(canvas: skia.Canvas, x: float, top: float, foot: float, colour: Colour) -> None:
    """Draw the snow on a mountain's top, and its lit side."""
    cap = skia.Path()
    height = foot - top
    cap.moveTo(x, top)
    cap.lineTo(x - 22 * 0.34, top + height * 0.34)
    for dx, dy in ((-4.4, 0.27), (-2.0, 0.42), (0.6, 0.29), (3.2, 0.44), (22 * 0.34, 0.34)):
        cap.lineTo(x + dx, top + height * dy)
    cap.close()
    canvas.drawPath(cap, ink(toned(colour, 0.55)))


def draw_broadleaf(
    canvas: skia.Canvas, x: float, y: float, size: float, *, trunk: Colour, crown: Colour
) -> None:
    """Draw a crown of circles, lit from the left, on a trunk that widens to its foot."""
    stem = skia.Path()
    for i, (dx, dy) in enumerate(
        ((-1.2, 0.2), (-0.6, -3), (-0.6, -7), (0.6, -7), (0.6, -3), (1.2, 0.2))
    ):
        (stem.lineTo if i else stem.moveTo)(x + dx * size, y + dy * size)
    stem.close()
    canvas.drawPath(stem, ink(trunk))
    for grow, shift, colour in ((0.0, 0.0, toned(crown, -0.2)), (-0.5, 0.35, crown)):
        for dx, dy, radius in CROWN:
            canvas.drawCircle(
                x + (dx - shift) * size,
                y - (dy + shift) * size,
                (radius + grow) * size,
                ink(colour),
            )
    for dx, dy, radius in ((-2.6, 10.6, 1.3), (0.2, 12.0, 1.1), (-3.6, 7.8, 1.0)):
        canvas.drawCircle(x + dx * size, y - dy * size, radius * size, ink(toned(crown, 0.1)))


def draw_cactus(
    canvas: skia.Canvas, x: float, y: float, size: float, wash: Wash, green: RGB
) -> None:
    """Draw a ribbed stem with two bent arms and a flower on top."""
    colour = wash(green)
    arms = skia.Path()
    for side, low in ((1, 4), (-1, 5)):
        arms.moveTo(x, y - low * size)
        arms.quadTo(
            x + side * 3.6 * size, y - low * size, x + side * 3.6 * size, y - (low + 4) * size
        )
    stem = skia.Path()
    stem.moveTo(x, y)
    stem.lineTo(x, y - 11 * size)
    for paint_colour, grow in ((toned(colour, -0.28), 0.8), (colour, 0.0)):
        canvas.drawPath(arms, pen(paint_colour, 1.7 * size + grow))
        canvas.drawPath(stem, pen(paint_colour, 2.6 * size + grow))
    light = pen(toned(colour, 0.3), 0.5 * size)
    canvas.drawLine(x - 0.5 * size, y - 1 * size, x - 0.5 * size, y - 10.6 * size, light)
    canvas.drawCircle(x, y - 12.3 * size, 1.0 * size, ink(wash((240, 110, 140))))


def draw_fir(canvas: skia.Canvas, x: float, y: float, size: float, wash: Wash, green: RGB) -> None:
    """Draw three snow-covered tiers on a trunk."""
    canvas.drawLine(x, y + 0.3, x, y - 2.5 * size, pen(wash((92, 66, 48)), 1.5 * size))
    colour = wash(green)
    for tier in range(3):
        foot, half = y - (1.5 + 3.2 * tier) * size, (5 - 1.1 * tier) * size
        top = foot - 5 * size
        skirt = _skirt(x, top, foot, half, sag=0.7 * size)
        canvas.drawPath(skirt, ink(toned(colour, -0.12 + 0.06 * tier)))
        snow = _skirt(x, top, foot - 2.4 * size, half * 0.56, sag=-0.9 * size)
        canvas.drawPath(snow, ink(wash((244, 249, 255))))


def _skirt(x: float, top: float, foot: float, half: float, *, sag: float) -> skia.Path:
    path = skia.Path()
    path.moveTo(x, top)
    path.quadTo(x - half * 0.3, foot - 1.2, x - half, foot)
    path.quadTo(x, foot + 2 * sag, x + half, foot)
    path.quadTo(x + half * 0.3, foot - 1.2, x, top)
    path.close()
    return path


def draw_rock(canvas: skia.Canvas, x: float, y: float, size: float, colour: Colour) -> None:
    """Draw a stone with a lit top and a shadow at its foot."""
    box = skia.Rect.MakeLTRB(x - 2.6 * size, y + 0.4 * size, x + 2.6 * size, y + 1.5 * size)
    canvas.drawOval(box, ink(np.array((20.0, 24, 40)), 60))
    for shrink, shift, tone in ((1.0, 0.0, -0.18), (0.86, -0.15, 0.0), (0.5, -0.5, 0.25)):
        path = skia.Path()
        corners = ((-2.3, 1.0), (-2.0, -0.3), (-0.7, -1.35), (0.9, -1.2), (2.1, -0.1), (2.3, 1.0))
        points = [
            skia.Point(x + (dx * shrink + shift) * size, y + (dy * shrink + shift) * size)
            for dx, dy in corners
        ]
        path.addPoly(points, True)
        paint = ink(toned(colour, tone))
        paint.setStyle(skia.Paint.kStrokeAndFill_Style)
        paint.setStrokeWidth(0.6 * size)
        paint.setStrokeJoin(skia.Paint.kRound_Join)
        canvas.drawPath(path, paint)


def draw_tuft(canvas: skia.Canvas, x: float, y: float, number: int, wash: Wash, green: RGB) -> None:
    """Draw three blades of grass; every fourth tuft has a flower."""
    near = 0.75 + 0.5 * max(0.0, (y - 30) / 34)
    for lean in (-0.9, 0.1, 1.1):
        blade = skia.Path()
        blade.moveTo(x + lean * 0.25, y)
        blade.quadTo(
            x + lean * 0.3, y - 1.4 * near, x + lean * near, y - (2.5 - abs(lean) * 0.5) * near
        )
        canvas.drawPath(blade, pen(wash(green), 0.7))
    if number % 4 == 1:
        petals = ink(wash(FLOWERS[number // 4 % 3]))
        cx, cy = x + 1.9, y - 1.4
        for i in range(5):
            angle = math.tau * i / 5
            canvas.drawCircle(
                cx + 0.75 * math.cos(angle), cy + 0.75 * math.sin(angle), 0.55, petals
            )
        canvas.drawCircle(cx, cy, 0.5, ink(wash((246, 176, 52))))


def draw_pebble(canvas: skia.Canvas, x: float, y: float, number: int, wash: Wash) -> None:
    """Draw a pebble or a ripple in the sand."""
    if number % 3:
        ripple = skia.Path()
        ripple.moveTo(x - 3.2, y)
        ripple.quadTo(x - 1.6, y - 1.1, x, y)
        ripple.quadTo(x + 1.6, y + 1.1, x + 3.2, y)
        canvas.drawPath(ripple, pen(wash((206, 168, 96)), 0.6))
        return
    box = skia.Rect.MakeLTRB(x - 1.0, y - 0.6, x + 1.0, y + 0.7)
    canvas.drawOval(box, ink(wash((190, 150, 88))))
    canvas.drawCircle(x - 0.25, y - 0.15, 0.4, ink(wash((226, 196, 140))))


def draw_flake(canvas: skia.Canvas, x: float, y: float, number: int, wash: Wash) -> None:
    """Draw a snowflake at one of three distances."""
    canvas.drawCircle(x, y, (1.05, 0.8, 0.6)[number % 3], ink(wash((255, 255, 255))))
