"""Draws dog, cat and horse in detail, for large pictures.

Joints, measurements and distinguishing features are those of the plain figures in `animals`. Each
animal also has a face with a mouth, paws or hooves, markings, and legs that run into the trunk.
"""

import math
from collections.abc import Callable

from zoo.drawing import (
    Layers,
    Part,
    Point,
    blob,
    curve,
    line,
    on_curve,
    oval,
    plus,
    polygon,
    rimmed,
    tapered,
    turned,
)
from zoo.poses import BUILDS, Build, Haunch, Limb, Stance, stance

Place = Callable[[float, float], Point]  # maps a head's own axes to the figure's

FINE = 0.5  # width of the lines of mouths, toes and lashes


def quadruped(name: str, pose: str, sway: float) -> Layers:
    """Return the layers of a dog, a cat or a horse in a pose."""
    build = BUILDS[name]
    joints = stance(build, pose, sway)
    behind, body, *top = _FEATURES[name](build, pose, joints)
    hoofed = name == "horse"
    far = [part for limb in joints.far for part in _leg(limb, "far", hoofed=hoofed)]
    near = [part for limb in joints.near for part in _leg(limb, "coat", hoofed=hoofed)]
    return far, behind, _trunk(build, joints) + body, near, _seams(joints), *top


def _trunk(b: Build, s: Stance) -> list[Part]:
    """Return a deep chest, a lean flank and the shade below."""
    trunk = tapered([s.hip, s.shoulder], 1.86 * b.girth, 2.06 * b.girth, "coat")
    x, y = s.shoulder[0] - s.hip[0], s.shoulder[1] - s.hip[1]
    middle = plus(s.hip, (x / 2, y / 2 - 0.64 * b.girth))
    shade = oval(middle, (math.hypot(x, y) * 0.42, 0.26 * b.girth), "shade", math.atan2(y, x))
    return [*trunk, *rimmed(0, shade)]


def _leg(limb: Limb | Haunch, tone: str, *, hoofed: bool) -> list[Part]:
    if isinstance(limb, Haunch):
        return [oval(limb.centre, limb.radii, tone)]
    width, foot = limb.width, limb.joints[-1]
    leg = tapered(limb.joints, width * 1.3, width * (0.8 if hoofed else 0.9), tone)
    from_x, from_y = limb.joints[-2]
    along = math.atan2(foot[1] - from_y, foot[0] - from_x)
    on_ground = foot[1] < 2
    if hoofed:
        upright = on_ground and along < -0.6
        return leg + _hoof(foot, -math.pi / 2 if upright else along, width)
    if on_ground:
        return leg + _paw(plus(foot, (0.55, 0.3)), 0.0, width, tone)
    return leg + _paw(foot, along, width, tone)


def _paw(centre: Point, along: float, width: float, tone: str) -> list[Part]:
    """Return a rounded foot with two lines between its toes."""
    paw = oval(centre, (width * 0.68, width * 0.46), tone, along)
    toes = []
    for x in (0.22, 0.46):
        ends = [plus(centre, turned((width * x, width * y), along)) for y in (-0.34, 0.02)]
        toes.append(line(ends, FINE * 0.9, "outline"))
    return [paw, *rimmed(0, *toes)]


def _hoof(foot: Point, along: float, width: float) -> list[Part]:
    half = width * 0.5
    corners = ((-0.75, -half * 0.8), (0.85, -half * 1.15), (0.85, half * 1.15), (-0.75, half * 0.8))
    return [polygon([plus(foot, turned(c, along)) for c in corners], "hoof")]


def _seams(s: Stance) -> list[Part]:
    """Return coat that covers the outlines of the near legs at the trunk."""
    legs = [limb for limb in s.near if isinstance(limb, Limb) and limb.joints[0][1] > 2.5]
    return rimmed(0, *(oval(leg.joints[0], (leg.width * 0.92,) * 2, "coat") for leg in legs))


def _eye(centre: Point, radii: Point, *, iris: str = "pupil") -> list[Part]:
    """Return an eye with a highlight; the white shows around the iris."""
    (x, y), (a, b) = centre, radii
    ball = rimmed(0.7, oval(centre, radii, "white"))
    inside = [
        oval((x + 0.22 * a, y - 0.04 * b), (a * 0.74, b * 0.82), iris),
        oval((x + 0.5 * a, y + 0.38 * b), (a * 0.3, b * 0.28), "white"),
    ]
    return ball + rimmed(0, *inside)


def _dog(b: Build, pose: str, s: Stance) -> Layers:
    def at(x: float, y: float) -> Point:
        return plus(s.head, turned((x, y), s.tilt))

    root = plus(s.hip, (-b.girth * 0.7, b.girth * (0.5 if pose != "sitting" else -0.35)))
    bend = (root, plus(root, (-3, 0.5)), plus(root, (-5.5, 3)), plus(root, (-4.8, 7.5)))
    tail = tapered(on_curve(*bend, begin=0), 3.0, 1.9, "coat")
    tail += rimmed(0, *tapered(on_curve(*bend, begin=0.68), 2.2, 1.9, "pale"))
    tongue = rimmed(0.8, oval(at(5.2, -3.7), (1.15, 2.0), "pink", s.tilt))
    body = [
        *tapered([s.shoulder, s.head], 7.4, 5.6, "coat"),
        oval(s.head, (4.7, 4.6), "coat"),
        line([at(1.5, -1.4), at(6.0, -1.6)], 4.7, "coat"),
        *rimmed(0, line([at(2.9, -1.9), at(6.1, -1.9)], 3.5, "pale")),
    ]
    return tail + tongue, body, _collar(s), _dog_ear(at), _dog_face(at)


def _collar(s: Stance) -> list[Part]:
    """Return a collar half-way up the neck, with its tag."""
    x, y = s.head[0] - s.shoulder[0], s.head[1] - s.shoulder[1]
    middle = plus(s.shoulder, (x * 0.5, y * 0.5))
    across = turned((0, 3.3), math.atan2(y, x))
    ends = [plus(middle, across), plus(middle, (-across[0], -across[1]))]
    tag = plus(middle, (-across[0] * 0.86 + 0.4, -across[1] * 0.86 - 1.5))
    return [*rimmed(0.5, line(ends, 1.7, "collar")), *rimmed(0.7, oval(tag, (1.05, 1.05), "tag"))]


def _dog_ear(at: Place) -> list[Part]:
    ear = [
        at(-1.4, 3.6),
        at(-3.9, 2.6),
        at(-4.9, -1.8),
        at(-3.7, -5.6),
        at(-1.7, -5.2),
        at(-0.5, -1.2),
    ]
    fold = curve(
        at(-3.3, 1.4), at(-4, -0.6), at(-3.8, -2.4), at(-3.2, -3.9), width=FINE, tone="outline"
    )
    return [*rimmed(0.9, blob(ear, "dark")), *rimmed(0, fold)]


def _dog_face(at: Place) -> list[Part]:
    lips = curve(
        at(7.4, -1.9), at(6.6, -3.7), at(4.4, -3.6), at(3.0, -2.3), width=FINE, tone="outline"
    )
    brow = curve(at(0.7, 3.2), at(1.4, 3.9), at(2.4, 3.9), at(3.1, 3.4), width=FINE, tone="outline")
    nose = rimmed(0.4, oval(at(7.5, -0.5), (1.55, 1.25), "nose"))
    shine = oval(at(7.7, -0.05), (0.5, 0.32), "shine")
    return [*rimmed(0, lips, brow), *nose, *rimmed(0, shine), *_eye(at(1.9, 1.0), (1.45, 1.6))]


def _cat(b: Build, pose: str, s: Stance) -> Layers:
    def at(x: float, y: float) -> Point:
        return plus(s.head, turned((x, y), s.tilt))

    root = plus(
        s.hip, (-b.girth * 0.7, b.girth * (0.2 if pose in ("standing", "jumping") else -0.4))
    )
    bend = (root, plus(root, (-8, -1.5)), plus(root, (-2.5, 10)), plus(root, (-8.5, 13)))
    tail = tapered(on_curve(*bend, begin=0), 2.7, 2.0, "coat")
    tail += rimmed(0, *tapered(on_curve(*bend, begin=0.8), 2.1, 2.0, "stripe"))
    body = [
        *_stripes(b, s),
        *tapered([s.shoulder, s.head], 6.2, 5.0, "coat"),
        polygon([at(-4.6, 1.4), at(-0.2, 3.9), at(-4.1, 8.8)], "coat"),
        polygon([at(0.4, 3.9), at(4.6, 1.4), at(4.5, 8.6)], "coat"),
        polygon([at(-3.6, 0.4), at(-6.3, -1.5), at(-2.2, -3.6)], "coat"),
        oval(s.head, (5.3, 4.6), "coat", s.tilt),
        *rimmed(0, polygon([at(-3.7, 3.0), at(-1.6, 4.3), at(-3.7, 7.2)], "pink")),
        *rimmed(0, polygon([at(1.7, 4.2), at(3.9, 2.9), at(4.0, 7.0)], "pink")),
    ]
    return tail, body, _cat_face(at)


def _stripes(b: Build, s: Stance) -> list[Part]:
    """Return a few stripes across the back."""
    x, y = s.shoulder[0] - s.hip[0], s.shoulder[1] - s.hip[1]
    length = math.hypot(x, y)
    up = (-y / length, x / length)
    found = []
    for share in (0.12, 0.36, 0.6):
        top, low = b.girth * (0.9 + 0.1 * share), b.girth * 0.3
        foot = plus(s.hip, (x * share, y * share))
        ends = [
            plus(foot, (up[0] * r + x * dx, up[1] * r + y * dx))
            for r, dx in ((top, 0), (low, 0.05))
        ]
        found += tapered(ends, 1.3, 0.5, "stripe")
    return rimmed(0, *found)


def _cat_face(at: Place) -> list[Part]:
    marks = [line([at(x, 4.1), at(x * 0.75 + 0.4, 2.6)], 0.75, "stripe") for x in (-0.9, 0.6, 2.1)]
    cheeks = [oval(at(1.9, -2.3), (1.9, 1.45), "pale"), oval(at(4.0, -2.2), (1.4, 1.35), "pale")]
    nose = polygon([at(2.1, -0.95), at(4.0, -0.95), at(3.1, -2.0)], "pink")
    mouth = [
        curve(
            at(3.1, -2.0), at(3.0, -3.2), at(1.9, -3.2), at(1.3, -2.7), width=FINE, tone="outline"
        ),
        curve(
            at(3.1, -2.0), at(3.2, -3.1), at(4.1, -3.1), at(4.6, -2.6), width=FINE, tone="outline"
        ),
    ]
    whiskers = [
        line([at(*a), at(*b)], 0.4, "outline")
        for a, b in (
            ((4.9, -1.8), (8.0, -1.1)),
            ((4.8, -2.4), (7.8, -2.9)),
            ((0.6, -1.9), (-3.2, -1.2)),
            ((0.7, -2.5), (-2.9, -3.0)),
        )
    ]
    eyes = []
    for x, a in ((0.7, 1.35), (4.15, 1.0)):
        eyes += rimmed(0.7, oval(at(x, 0.85), (a, 1.55), "green"))
        eyes += rimmed(0, oval(at(x + 0.15, 0.85), (a * 0.42, 1.25), "pupil"))
        eyes += rimmed(0, oval(at(x + 0.5 * a, 1.5), (0.4, 0.42), "white"))
    return [*rimmed(0, *marks, *cheeks, *whiskers), *rimmed(0.4, nose), *rimmed(0, *mouth), *eyes]


def _horse(b: Build, pose: str, s: Stance) -> Layers:
    nod = s.tilt - 0.72

    def at(x: float, y: float) -> Point:
        return plus(s.head, turned((x, y), nod))

    body = [
        *tapered([plus(s.shoulder, (-1.2, 0)), s.head], 9.0, 5.6, "coat"),
        polygon([at(-2.4, 1.6), at(0.6, 2.6), at(-1.4, 6.2)], "coat"),
        *tapered([s.head, at(4.0, -0.2), at(8.6, 0)], 6.2, 4.2, "coat"),
        *rimmed(0, oval(at(8.7, 0), (1.95, 1.9), "muzzle", nod)),
        *rimmed(0, *tapered([at(1.2, 2.3), at(6.4, 1.7)], 0.8, 1.1, "white")),
    ]
    return _horse_tail(b, pose, s), body, _mane(b, s), _horse_face(at)


def _horse_tail(b: Build, pose: str, s: Stance) -> list[Part]:
    root = plus(s.hip, (-b.girth * 0.8, b.girth * 0.4))
    drop = {"standing": -13.5, "sitting": -5.0, "lying down": -5.0, "jumping": -3.0}[pose]
    back = -9.5 if pose == "jumping" else -4.5
    locks = []
    for x, y, end, width in ((0.9, -0.4, 1.6, 2.2), (-0.9, 0.4, 0.2, 2.4), (0.0, 0.0, -0.6, 2.8)):
        tip = plus(root, (back - 0.6 * x, drop + end))
        by = (plus(root, (-4, 1.5)), plus(root, (back - 1 + x, drop * 0.5 + y)), tip)
        locks += tapered(on_curve(root, *by, begin=0), 2.6, width, "mane")
    by = (
        plus(root, (-3.6, 1.2)),
        plus(root, (back - 0.2, drop * 0.5)),
        plus(root, (back + 0.4, drop + 2)),
    )
    strand = curve(root, *by, width=FINE, tone="strand")
    return [*locks, *rimmed(0, strand)]


def _mane(b: Build, s: Stance) -> list[Part]:
    """Return locks along the neck, and one over the forehead."""
    crest = plus(s.shoulder, (-5.0, b.girth * 0.8))
    bend = (plus(s.head, (-0.4, 3.4)), plus(s.head, (-4.4, 2.0)), plus(crest, (0.6, 5)), crest)
    points = on_curve(*bend, begin=0)
    locks = tapered(points, 2.6, 3.0, "mane")
    for i in range(1, 12, 2):
        x, y = points[i]
        locks += tapered([(x, y), (x + 1.5, y - 2.9)], 2.0, 0.7, "mane")
    strands = [
        curve(
            p,
            plus(p, (0.2, -0.8)),
            plus(p, (0.7, -1.7)),
            plus(p, (1.1, -2.3)),
            width=FINE,
            tone="strand",
        )
        for p in points[2:12:2]
    ]
    forelock = blob(
        [plus(s.head, d) for d in ((-0.8, 4.0), (0.6, 4.0), (2.9, 1.2), (1.5, 1.3))], "mane"
    )
    return [*rimmed(0.8, *locks, forelock), *rimmed(0, *strands)]


def _horse_face(at: Place) -> list[Part]:
    mouth = curve(
        at(9.9, -1.0), at(9.0, -1.5), at(8.0, -1.5), at(7.2, -1.2), width=FINE, tone="outline"
    )
    jaw = curve(
        at(-0.4, -2.2), at(0.8, -3.0), at(2.2, -2.4), at(2.6, -1.2), width=FINE, tone="outline"
    )
    ear = polygon([at(-1.5, 2.8), at(-0.4, 3.1), at(-1.3, 5.0)], "shade")
    nostril = oval(at(9.2, 0.55), (0.62, 0.5), "nose")
    return [*rimmed(0, mouth, jaw, ear, nostril), *_eye(at(2.2, 0.7), (1.25, 1.3))]


_FEATURES = {"dog": _dog, "cat": _cat, "horse": _horse}
