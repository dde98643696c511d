"""Draws the bird in detail, for large pictures; its joints are those of `animals`."""

from zoo.drawing import (
    Layers,
    Part,
    Point,
    blob,
    curve,
    line,
    oval,
    plus,
    polygon,
    rimmed,
    tapered,
    turned,
)
from zoo.poses import Perch, perch

FINE = 0.5  # width of the lines between feathers


def bird(pose: str, sway: float) -> Layers:
    """Return the layers of a bird in a pose."""
    p = perch(pose, sway)

    def at(x: float, y: float) -> Point:
        return plus(p.body, turned((x, y), p.slope))

    tail = [
        part
        for y, tip in ((-1.6, -15.0), (1.9, -14.8), (0.2, -15.8))
        for part in tapered([at(-6, y * 0.6), at(tip, y)], 2.6, 2.4, "far")
    ]
    body = [
        oval(p.body, (9.6, 6.0), "coat", p.slope),
        *tapered([at(4.5, 1), p.head], 8.2, 7.0, "coat"),
        oval(p.head, (4.6, 4.6), "coat"),
        *rimmed(
            0,
            blob([at(7.4, 0.4), at(7.6, -2.4), at(3, -5.0), at(-2.5, -4.6), at(2.0, -2.4)], "pale"),
        ),
    ]
    far, near = _legs_and_wings(pose, p)
    return far, tail, body, *near, _bill(p), _eye(p)


def _bill(p: Perch) -> list[Part]:
    def beak(x: float, y: float) -> Point:
        return plus(p.head, turned((x, y), p.nod))

    lower = polygon([beak(3.4, -0.2), beak(3.2, -2.5), beak(8.6, -1.3)], "beak_below")
    upper = blob(
        [beak(3.2, 2.2), beak(3.2, -0.7), beak(7.2, -0.9), beak(10.9, -1.4), beak(7.6, 1.2)], "beak"
    )
    nostril = oval(beak(5.2, 0.7), (0.5, 0.32), "pupil")
    return [*rimmed(0.7, lower, upper), *rimmed(0, nostril)]


def _eye(p: Perch) -> list[Part]:
    x, y = plus(p.head, (1.3, 1.3))
    return [
        *rimmed(0.6, oval((x, y), (1.5, 1.55), "white")),
        *rimmed(
            0,
            oval((x + 0.15, y), (1.2, 1.3), "pupil"),
            oval((x + 0.65, y + 0.55), (0.45, 0.42), "white"),
        ),
    ]


def _legs_and_wings(pose: str, p: Perch) -> tuple[list[Part], Layers]:
    """Return the parts behind the body and the layers in front of it."""

    def at(x: float, y: float) -> Point:
        return plus(p.body, turned((x, y), p.slope))

    def above(x: float, y: float) -> Point:
        return plus(p.body, (x, y))

    if pose == "jumping":
        feet = [
            *_drawn_up(at(-2, -4), above(-5, -9), above(-8, -10)),
            *_drawn_up(at(1, -4), above(-1, -9.5), above(-4, -11.5)),
        ]
        return [*_far_wing(p), *feet], _spread(p)
    if pose == "standing":
        legs = [*_foot(at(-1.5, -4), -1.6), *_foot(at(2.0, -4), 3.0)]
        return legs, _folded(p)
    if pose == "sitting":
        return [*_toes(1.6), *_toes(4.2)], _folded(p)
    return [], _folded(p)


def _foot(hip: Point, x: float) -> list[Part]:
    thigh = tapered([hip, (x + 0.6 * (hip[0] - x), 5.0)], 3.0, 1.5, "coat")
    return [*thigh, line([(x + 0.6 * (hip[0] - x), 5.0), (x, 0.9)], 1.3, "beak"), *_toes(x)]


def _toes(x: float) -> list[Part]:
    ends = ((3.0, 0.2), (1.9, -0.5), (-1.5, 0.3))
    return [line([(x, 0.9), (x + dx, 0.7 + dy)], 1.1, "beak") for dx, dy in ends]


def _drawn_up(hip: Point, knee: Point, foot: Point) -> list[Part]:
    toes = [line([foot, plus(foot, d)], 1.0, "beak") for d in ((-2.0, 0.4), (-1.6, -1.1))]
    return [line([hip, knee, foot], 1.3, "beak"), *toes]


def _folded(p: Perch) -> Layers:
    """Return a closed wing: long feathers below, short ones over their roots."""

    def at(x: float, y: float) -> Point:
        return plus(p.body, turned((x, y), p.slope))

    long = blob(
        [at(5.2, 1.2), at(2.6, 3.9), at(-3.0, 3.6), at(-12.2, 0.6), at(-6.4, -2.6), at(1.6, -2.8)],
        "wing",
    )
    lines = [
        curve(
            at(1.8, y),
            at(-1.6, y - 0.5),
            at(-4.5, y - 0.3),
            at(-8.0, 0.3 + y * 0.3),
            width=FINE,
            tone="outline",
        )
        for y in (0.9, -0.6)
    ]
    short = blob(
        [at(5.0, 1.2), at(2.6, 3.6), at(-1.6, 3.1), at(-3.0, 1.2), at(-1.6, -1.2), at(1.8, -2.2)],
        "cover",
    )
    return [long, *rimmed(0, *lines)], rimmed(0.6, short)


def _far_wing(p: Perch) -> list[Part]:
    def above(x: float, y: float) -> Point:
        return plus(p.body, (x, y))

    tips = ((-1.4, 17.0), (1.6, 17.2), (4.4, 15.8), (6.2, 13.2))
    return [part for tip in tips for part in tapered([above(1.5, 3), above(*tip)], 5.0, 2.6, "far")]


def _spread(p: Perch) -> Layers:
    """Return an open wing: a fan of feathers, and short ones over their roots."""

    def at(x: float, y: float) -> Point:
        return plus(p.body, turned((x, y), p.slope))

    def above(x: float, y: float) -> Point:
        return plus(p.body, (x, y))

    tips = ((-1.2, 11.8), (-4.4, 14.2), (-8.0, 15.9), (-11.4, 15.6), (-14.2, 13.2))
    roots = [at(2.6 - 1.5 * i, 1.6) for i in range(len(tips))]
    fan = [
        part
        for root, tip in zip(roots, tips, strict=True)
        for part in tapered([root, above(*tip)], 4.4, 3.4, "wing")
    ]
    between = [
        line(
            [_between(roots[i], above(*tips[i]), 0.55), _between(roots[i], above(*tips[i]), 0.9)],
            FINE,
            "outline",
        )
        for i in range(len(tips))
    ]
    cover = blob(
        [
            at(4.0, 0.8),
            at(3.2, 4.2),
            above(-3.4, 8.4),
            above(-7.6, 7.8),
            at(-5.8, 0.6),
            at(-1, -0.6),
        ],
        "cover",
    )
    return [*fan, *rimmed(0, *between)], rimmed(0.6, cover)


def _between(a: Point, b: Point, share: float) -> Point:
    return (a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share)
