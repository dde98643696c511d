"""Draws what is behind and around the animal: sky, ground, and the things in each place.

Units: 1/64 of the picture's side, y down. Only the scene's seed decides where things stand, so two
scenes with the same seed have them in the same spots.
"""

from dataclasses import dataclass

import numpy as np
import skia

from zoo import scenery
from zoo.drawing import Colour, ink, pen
from zoo.scenery import RGB, Wash

SIDE = 64.0
PENCIL = np.array((70.0, 68.0, 66.0))
PAPER = np.array((250.0, 247.0, 238.0))


@dataclass(frozen=True)
class Palette:
    """A place's colours; sky and ground each run from top to bottom."""

    sky: tuple[RGB, RGB]
    ground: tuple[RGB, RGB]
    hill: RGB
    tree: RGB
    rock: RGB


PALETTES = {
    "on grass": Palette(
        ((120, 184, 240), (200, 228, 246)),
        ((112, 184, 84), (72, 146, 58)),
        (92, 158, 92),
        (44, 118, 52),
        (138, 134, 128),
    ),
    "on sand": Palette(
        ((92, 190, 232), (196, 232, 240)),
        ((238, 212, 146), (222, 186, 108)),
        (214, 170, 100),
        (70, 138, 76),
        (168, 126, 88),
    ),
    "in snow": Palette(
        ((166, 184, 210), (206, 218, 232)),
        ((246, 249, 255), (218, 229, 243)),
        (188, 204, 224),
        (52, 92, 84),
        (126, 132, 142),
    ),
    "at night": Palette(
        ((16, 20, 60), (46, 54, 112)),
        ((44, 68, 78), (26, 46, 58)),
        (30, 38, 80),
        (14, 36, 40),
        (62, 66, 84),
    ),
}


@dataclass(frozen=True)
class Surroundings:
    """The positions of things, independent of the kind of place."""

    horizon: float
    sun: tuple[float, float] | None
    moon: tuple[float, float]
    hills: tuple[tuple[float, float], ...]  # x of the top, height
    trees: tuple[tuple[float, float], ...]  # x, size
    rocks: tuple[tuple[float, float], ...]  # x, depth from 0 at the horizon to 1
    specks: np.ndarray  # [12, 2], 0–1

    @classmethod
    def sample(cls, rng: np.random.Generator) -> "Surroundings":
        """Draw the positions at random."""
        sky = (float(rng.uniform(6, 58)), float(rng.uniform(6, 12)))
        sunny, hilly = rng.random() < 0.55, rng.random() < 0.55
        hills = [(float(rng.uniform(0, SIDE)), float(rng.uniform(4, 10))) for _ in range(2)]
        trees = [(float(rng.uniform(3, 61)), float(rng.uniform(0.85, 1.3))) for _ in range(2)]
        rocks = [(float(rng.uniform(3, 61)), float(rng.uniform(0, 1))) for _ in range(2)]
        return cls(
            horizon=float(rng.uniform(27, 37)),
            sun=sky if sunny else None,
            moon=sky,
            hills=tuple(hills) if hilly else (),
            trees=tuple(trees[: int(rng.integers(0, 3))]),
            rocks=tuple(rocks[: int(rng.integers(0, 3))]),
            specks=rng.uniform(0, 1, (12, 2)),
        )


@dataclass(frozen=True)
class Manner:
    """The manner in which a picture is drawn."""

    sketch: bool
    detailed: bool  # large enough to show more than plain shapes
    wash: Wash


def draw_place(canvas: skia.Canvas, place: str, around: Surroundings, manner: Manner) -> None:
    """Draw a place over the whole picture."""
    palette, horizon, wash = PALETTES[place], around.horizon, manner.wash
    _gradient(canvas, 0, horizon + 1, palette.sky, wash)
    (_detailed_sky if manner.detailed else _sky)(canvas, place, around, wash)
    for x, height in around.hills:
        _hill(canvas, place, (x, height), horizon, manner)
    _gradient(canvas, horizon, SIDE, palette.ground, wash)
    if manner.sketch:
        canvas.drawLine(0, horizon, SIDE, horizon, pen(PENCIL, 0.6, 150))
    trees = _DETAILED_TREES if manner.detailed else _TREES
    for x, size in around.trees:
        trees[place](canvas, x, horizon + 1.5, size, wash)
    for x, depth in around.rocks:
        _rock(canvas, x, depth, horizon, wash(palette.rock), detailed=manner.detailed)
    (_detailed_specks if manner.detailed else _specks)(canvas, place, around, wash)
    if manner.sketch:
        _hatching(canvas, horizon, wash(palette.sky[0]) * 0.7, wash(palette.ground[1]) * 0.75)


def _gradient(
    canvas: skia.Canvas, top: float, bottom: float, colours: tuple[RGB, RGB], wash: Wash
) -> None:
    ends = [ink(wash(colour)).getColor() for colour in colours]
    paint = skia.Paint(Shader=skia.GradientShader.MakeLinear([(0, top), (0, bottom)], ends))
    canvas.drawRect(skia.Rect.MakeLTRB(0, top, SIDE, bottom), paint)


def _sky(canvas: skia.Canvas, place: str, around: Surroundings, wash: Wash) -> None:
    if place == "at night":
        for x, y in around.specks:
            canvas.drawCircle(x * SIDE, y * around.horizon * 0.85, 0.6, ink(wash((250, 250, 220))))
        x, y = around.moon
        canvas.drawCircle(x, y, 3.9, ink(wash((250, 244, 200))))
        canvas.drawCircle(x + 1.8, y - 0.8, 3.2, ink(wash((22, 28, 70))))
    elif around.sun and place != "in snow":
        canvas.drawCircle(*around.sun, 4.0, ink(wash((255, 226, 90))))


def _detailed_sky(canvas: skia.Canvas, place: str, around: Surroundings, wash: Wash) -> None:
    if place == "at night":
        for number, (x, y) in enumerate(around.specks):
            scenery.draw_star(canvas, x * SIDE, y * around.horizon * 0.85, number, wash)
        scenery.draw_moon(canvas, *around.moon, wash)
    elif place != "in snow":
        if around.sun:
            scenery.draw_sun(canvas, *around.sun, wash)
        scenery.draw_clouds(canvas, around.specks[:2], around.horizon, wash)


def _hill(
    canvas: skia.Canvas, place: str, top: tuple[float, float], horizon: float, manner: Manner
) -> None:
    path, (x, height) = skia.Path(), top
    colour = manner.wash(PALETTES[place].hill)
    path.moveTo(x - 22, horizon + 1)
    if place == "in snow":
        path.lineTo(x, horizon - height * 1.3)
        path.lineTo(x + 22, horizon + 1)
    else:
        path.quadTo(x, horizon - height * 1.6, x + 22, horizon + 1)
    canvas.drawPath(path, ink(colour))
    if manner.detailed and place == "in snow":
        scenery.draw_ridge(canvas, x, horizon - height * 1.3, horizon + 1, colour)
    if manner.sketch:
        canvas.drawPath(path, pen(PENCIL, 0.5, 150))


def _broadleaf(canvas: skia.Canvas, x: float, y: float, size: float, wash: Wash) -> None:
    canvas.drawLine(x, y, x, y - 6 * size, pen(wash((96, 66, 40)), 1.7 * size))
    canvas.drawCircle(x, y - 8.5 * size, 4.6 * size, ink(wash(PALETTES["on grass"].tree)))


def _bare_tree(canvas: skia.Canvas, x: float, y: float, size: float, wash: Wash) -> None:
    canvas.drawLine(x, y, x, y - 6 * size, pen(wash((30, 26, 30)), 1.7 * size))
    canvas.drawCircle(x, y - 8.5 * size, 4.6 * size, ink(wash(PALETTES["at night"].tree)))


def _cactus(canvas: skia.Canvas, x: float, y: float, size: float, wash: Wash) -> None:
    stem, arm = (pen(wash(PALETTES["on sand"].tree), w * size) for w in (2.4, 1.8))
    canvas.drawLine(x, y, x, y - 11 * size, stem)
    for side, low in ((1, 4), (-1, 5)):
        path = skia.Path()
        path.moveTo(x, y - low * size)
        path.lineTo(x + side * 3.4 * size, y - low * size)
        path.lineTo(x + side * 3.4 * size, y - (low + 4) * size)
        canvas.drawPath(path, arm)


def _fir(canvas: skia.Canvas, x: float, y: float, size: float, wash: Wash) -> None:
    for tier in range(3):
        foot, half = y - (1.5 + 3.2 * tier) * size, (5 - 1.1 * tier) * size
        for width, drop, colour in (
            (1.0, 0.0, PALETTES["in snow"].tree),
            (0.45, 2.8, (240, 246, 252)),
        ):
            path = skia.Path()
            path.moveTo(x - half * width, foot - drop * size)
            path.lineTo(x + half * width, foot - drop * size)
            path.lineTo(x, foot - 5 * size)
            path.close()
            canvas.drawPath(path, ink(wash(colour)))


_TREES = {"on grass": _broadleaf, "on sand": _cactus, "in snow": _fir, "at night": _bare_tree}


def _detailed_broadleaf(canvas: skia.Canvas, x: float, y: float, size: float, wash: Wash) -> None:
    trunk, crown = wash((96, 66, 40)), wash(PALETTES["on grass"].tree)
    scenery.draw_broadleaf(canvas, x, y, size, trunk=trunk, crown=crown)


def _detailed_night_tree(canvas: skia.Canvas, x: float, y: float, size: float, wash: Wash) -> None:
    trunk, crown = wash((30, 26, 30)), wash(PALETTES["at night"].tree)
    scenery.draw_broadleaf(canvas, x, y, size, trunk=trunk, crown=crown)


def _detailed_cactus(canvas: skia.Canvas, x: float, y: float, size: float, wash: Wash) -> None:
    scenery.draw_cactus(canvas, x, y, size, wash, PALETTES["on sand"].tree)


def _detailed_fir(canvas: skia.Canvas, x: float, y: float, size: float, wash: Wash) -> None:
    scenery.draw_fir(canvas, x, y, size, wash, PALETTES["in snow"].tree)


_DETAILED_TREES = {
    "on grass": _detailed_broadleaf,
    "on sand": _detailed_cactus,
    "in snow": _detailed_fir,
    "at night": _detailed_night_tree,
}


def _rock(
    canvas: skia.Canvas, x: float, depth: float, horizon: float, colour: Colour, *, detailed: bool
) -> None:
    y = horizon + 3 + depth * (59 - horizon)
    size = 1 + (y - horizon) / 30
    if detailed:
        scenery.draw_rock(canvas, x, y, size, colour)
        return
    for (left, top, right, bottom), tone in (
        ((2.2, 1.3, 2.2, 1.2), 1.0),
        ((1.5, 1.2, 0.9, 0.0), 1.15),
    ):
        box = (x - left * size, y - top * size, x + right * size, y + bottom * size)
        canvas.drawOval(skia.Rect.MakeLTRB(*box), ink(colour * tone))


def _specks(canvas: skia.Canvas, place: str, around: Surroundings, wash: Wash) -> None:
    """Draw tufts, pebbles or flakes."""
    for u, v in around.specks:
        x, y = u * SIDE, around.horizon + 2 + v * (62 - around.horizon)
        if place == "on grass":
            canvas.drawLine(x, y, x + 0.6, y - 2.2, pen(wash((58, 128, 50)), 0.9))
        elif place == "on sand":
            canvas.drawCircle(x, y, 0.7, ink(wash((198, 160, 92))))
        elif place == "in snow":
            canvas.drawCircle(x, v * SIDE, 0.9, ink(wash((255, 255, 255))))
        else:
            canvas.drawLine(x, y, x + 0.5, y - 1.8, pen(wash((22, 36, 46)), 0.9))


def _detailed_specks(canvas: skia.Canvas, place: str, around: Surroundings, wash: Wash) -> None:
    for number, (u, v) in enumerate(around.specks):
        x, y = u * SIDE, around.horizon + 2 + v * (62 - around.horizon)
        if place == "on grass":
            scenery.draw_tuft(canvas, x, y, number, wash, (58, 128, 50))
        elif place == "on sand":
            scenery.draw_pebble(canvas, x, y, number, wash)
        elif place == "in snow":
            scenery.draw_flake(canvas, x, v * SIDE, number, wash)
        else:
            scenery.draw_tuft(canvas, x, y, 0, wash, (22, 36, 46))


def _hatching(canvas: skia.Canvas, horizon: float, sky: Colour, ground: Colour) -> None:
    """Draw pencil strokes, at the same spacing in every sketch."""
    for i in range(-2, 18):
        x = 8.0 * i
        canvas.drawLine(x, 0, x - horizon * 0.8, horizon, pen(sky, 0.6, 90))
        canvas.drawLine(x, horizon + 2, x - 18, SIDE, pen(ground, 0.6, 90))
