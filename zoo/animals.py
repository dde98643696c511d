"""The animals: each pose of each as layers of parts, from the farthest to the nearest.

Axes and units as in `drawing`. What tells them apart at a glance is drawn large: the dog's hanging
ear and red collar, the cat's pointed ears and long curling tail, the horse's height, neck and mane,
the bird's beak, wing and thin legs.
"""

import math
from dataclasses import dataclass

from zoo.drawing import Part, Point, curve, line, oval, plus, polygon, turned

Layers = tuple[list[Part], ...]  # far legs, tail, body and head, near legs, what lies on top


@dataclass(frozen=True)
class Build:
    """A quadruped's measures."""

    length: float  # hip to shoulder
    girth: float  # radius of the trunk
    leg: float  # height of the trunk's lower edge when standing
    leg_width: float
    neck: float  # shoulder to head
    rise: float  # angle of the neck when standing, degrees


BUILDS = {
    "dog": Build(length=15.5, girth=4.9, leg=8.0, leg_width=3.4, neck=8.2, rise=52),
    "cat": Build(length=13.0, girth=3.9, leg=5.6, leg_width=2.6, neck=6.6, rise=46),
    "horse": Build(length=18.5, girth=5.5, leg=13.5, leg_width=2.8, neck=13.0, rise=58),
}


@dataclass(frozen=True)
class Stance:
    """Where a pose puts a quadruped's joints."""

    hip: Point
    shoulder: Point
    head: Point
    tilt: float  # of the head, radians
    far: list[Part]
    near: list[Part]


def animal(name: str, pose: str, sway: float) -> Layers:
    """The layers of an animal in a pose; `sway` from −1 to 1 moves the head a little."""
    if name == "bird":
        return _bird(pose, sway)
    build = BUILDS[name]
    stance = _STANCES[pose](build, sway)
    trunk = [
        line([stance.hip, stance.shoulder], 2 * build.girth * 0.94, "coat"),
        oval(stance.shoulder, (build.girth, build.girth), "coat"),
    ]
    tail, body, top = _FEATURES[name](build, pose, stance)
    return stance.far, tail, trunk + body, stance.near, top


def _head(build: Build, shoulder: Point, degrees: float) -> Point:
    return plus(shoulder, turned((build.neck, 0), math.radians(degrees)))


def _standing(b: Build, sway: float) -> Stance:
    height = b.leg + b.girth * 0.75
    hip, shoulder = (-b.length / 2, height), (b.length / 2, height + 0.4)
    far = [
        line([plus(shoulder, (1.6, -2)), (shoulder[0] + 3.4, 0.7)], b.leg_width, "far"),
        line([plus(hip, (1.4, -2)), (hip[0] + 3.4, 0.7)], b.leg_width, "far"),
    ]
    near = [
        line([plus(shoulder, (-1.4, -1.5)), (shoulder[0] - 1.4, 0.7)], b.leg_width, "coat"),
        line(
            [plus(hip, (-1.0, -1.0)), (hip[0] - 2.4, b.leg * 0.5), (hip[0] - 1.8, 0.7)],
            b.leg_width,
            "coat",
        ),
    ]
    return Stance(hip, shoulder, _head(b, shoulder, b.rise + 5 * sway), 0.05 * sway, far, near)


def _sitting(b: Build, sway: float) -> Stance:
    height = max(b.leg + b.girth * 0.6, b.length * 0.74)
    hip, shoulder = (-b.length * 0.34, b.girth * 1.0), (b.length * 0.2, height)
    foot = shoulder[0] + 1.6
    far = [line([plus(shoulder, (1.8, -2)), (foot + 2.6, 0.7)], b.leg_width, "far")]
    near = [
        line([plus(shoulder, (0.4, -1.5)), (foot - 0.4, 0.7)], b.leg_width, "coat"),
        oval((hip[0] + 1.4, b.girth * 0.98), (b.girth * 1.12, b.girth * 0.95), "coat"),
        line([(hip[0] + 2.0, 0.9), (hip[0] + 2.6 + b.girth, 0.9)], b.leg_width * 0.85, "coat"),
    ]
    return Stance(hip, shoulder, _head(b, shoulder, b.rise + 8 + 5 * sway), 0.05 * sway, far, near)


def _lying(b: Build, sway: float) -> Stance:
    hip, shoulder = (-b.length / 2, b.girth * 0.95), (b.length / 2, b.girth * 1.0)
    reach = min(b.leg, 9.5)
    far = [line([plus(shoulder, (0, -2)), (shoulder[0] + reach, 1.7)], b.leg_width, "far")]
    near = [
        line([(shoulder[0] - 1, 1.6), (shoulder[0] + reach * 0.85, 1.0)], b.leg_width, "coat"),
        oval((hip[0] + 1.6, b.girth * 0.85), (b.girth * 1.1, b.girth * 0.85), "coat"),
        line([(hip[0] + 2, 1.0), (hip[0] + 3 + b.girth, 1.0)], b.leg_width * 0.85, "coat"),
    ]
    return Stance(hip, shoulder, _head(b, shoulder, b.rise - 14 + 5 * sway), 0.05 * sway, far, near)


def _jumping(b: Build, sway: float) -> Stance:
    low = b.leg * 0.75 + (8.0 if b.leg < 10 else 4.5)
    hip, shoulder = (-b.length * 0.46, low), (b.length * 0.44, low + b.length * 0.42)
    leg = max(b.leg, 7.0)
    far = [
        line(
            [plus(shoulder, (1, -1)), plus(shoulder, (leg * 1.05, 0.1 * leg))], b.leg_width, "far"
        ),
        line([hip, plus(hip, (-leg * 0.55, -leg * 0.95))], b.leg_width, "far"),
    ]
    near = [
        line(
            [
                plus(shoulder, (0, -1.5)),
                plus(shoulder, (leg * 0.5, -leg * 0.45)),
                plus(shoulder, (leg * 0.98, -leg * 0.4)),
            ],
            b.leg_width,
            "coat",
        ),
        line([hip, plus(hip, (-leg * 1.0, -leg * 0.62))], b.leg_width, "coat"),
    ]
    head = _head(b, shoulder, b.rise - 12 + 5 * sway)
    return Stance(hip, shoulder, head, 0.12 + 0.05 * sway, far, near)


_STANCES = {
    "standing": _standing,
    "sitting": _sitting,
    "lying down": _lying,
    "jumping": _jumping,
}

Features = tuple[list[Part], list[Part], list[Part]]  # tail, body and head, what lies on top


def _dog(b: Build, pose: str, s: Stance) -> Features:
    def at(x: float, y: float) -> Point:
        return plus(s.head, turned((x, y), s.tilt))

    root = plus(s.hip, (-b.girth * 0.7, b.girth * (0.5 if pose != "sitting" else -0.35)))
    tail = [
        curve(
            root,
            plus(root, (-3, 0.5)),
            plus(root, (-5.5, 3)),
            plus(root, (-4.8, 7.5)),
            width=2.4,
            tone="coat",
        )
    ]
    body = [
        line([s.shoulder, s.head], 6.2, "coat"),
        oval(s.head, (4.7, 4.5), "coat"),
        line([at(1.5, -1.4), at(6.0, -1.6)], 4.6, "coat"),
    ]
    middle = plus(
        s.shoulder, ((s.head[0] - s.shoulder[0]) * 0.52, (s.head[1] - s.shoulder[1]) * 0.52)
    )
    across = turned((0, 3.3), math.atan2(s.head[1] - s.shoulder[1], s.head[0] - s.shoulder[0]))
    top = [
        line([plus(middle, across), plus(middle, (-across[0], -across[1]))], 1.9, "collar"),
        oval(at(-2.4, -0.9), (2.1, 4.7), "dark", s.tilt - 0.18),
        oval(at(7.7, -0.7), (1.35, 1.2), "nose"),
        oval(at(1.9, 1.2), (0.95, 1.05), "eye"),
    ]
    return tail, body, top


def _cat(b: Build, pose: str, s: Stance) -> Features:
    def at(x: float, y: float) -> Point:
        return plus(s.head, turned((x, y), s.tilt))

    root = plus(
        s.hip, (-b.girth * 0.7, b.girth * (0.2 if pose in ("standing", "jumping") else -0.4))
    )
    tail = [
        curve(
            root,
            plus(root, (-8, -1.5)),
            plus(root, (-2.5, 10)),
            plus(root, (-8.5, 13)),
            width=2.3,
            tone="coat",
        )
    ]
    body = [
        line([s.shoulder, s.head], 5.0, "coat"),
        polygon([at(-4.4, 1.6), at(-0.2, 3.6), at(-4.2, 9.4)], "coat"),
        polygon([at(0.4, 3.6), at(4.4, 1.6), at(4.6, 9.2)], "coat"),
        oval(s.head, (5.3, 4.6), "coat", s.tilt),
    ]
    top = [
        polygon([at(1.7, 3.9), at(3.7, 2.9), at(3.9, 6.9)], "pink"),
        oval(at(0.6, 0.7), (1.05, 1.25), "green"),
        oval(at(3.9, 0.7), (0.8, 1.2), "green"),
        oval(at(2.9, -1.6), (0.95, 0.7), "pink"),
    ]
    return tail, body, top


def _horse(b: Build, pose: str, s: Stance) -> Features:
    nod = s.tilt - 0.72
    muzzle = plus(s.head, turned((8.6, 0), nod))

    def at(x: float, y: float) -> Point:
        return plus(s.head, turned((x, y), nod))

    root = plus(s.hip, (-b.girth * 0.8, b.girth * 0.4))
    drop = {"standing": -13.5, "sitting": -5.0, "lying down": -5.0, "jumping": -3.0}[pose]
    back = -9.5 if pose == "jumping" else -4.5
    tail = [
        curve(
            root,
            plus(root, (-4, 1.5)),
            plus(root, (back - 1, drop * 0.5)),
            plus(root, (back, drop)),
            width=3.6,
            tone="mane",
        )
    ]
    body = [
        line([plus(s.shoulder, (-0.6, 0)), s.head], 6.4, "coat"),
        polygon([at(-1.6, 2.0), at(1.4, 2.6), at(-0.4, 6.4)], "coat"),
        line([s.head, plus(s.head, turned((4, 0), nod))], 6.0, "coat"),
        line([s.head, muzzle], 4.4, "coat"),
    ]
    crest = plus(s.shoulder, (-5.0, b.girth * 0.8))
    top = [
        curve(
            plus(s.head, (0.6, 3.2)),
            plus(s.head, (-4.4, 1.5)),
            plus(crest, (0.6, 5)),
            crest,
            width=3.4,
            tone="mane",
        ),
        oval(at(2.2, 1.0), (0.9, 1.0), "eye"),
        oval(plus(muzzle, turned((0.6, 0.3), nod)), (0.7, 0.7), "nose"),
    ]
    return tail, body, top


_FEATURES = {"dog": _dog, "cat": _cat, "horse": _horse}


@dataclass(frozen=True)
class Perch:
    """Where a pose puts a bird's body."""

    body: Point
    slope: float  # of the body, radians
    head: Point
    nod: float  # of the beak, radians


def _perch(pose: str, sway: float) -> Perch:
    body, slope = {
        "standing": ((0.0, 14.0), 0.42),
        "sitting": ((-0.5, 8.6), 1.02),
        "lying down": ((-1.0, 5.0), 0.0),
        "jumping": ((0.0, 19.5), 0.4),
    }[pose]
    slope += 0.04 * sway
    neck = {
        "standing": turned((9.2, 3.4), slope),
        "sitting": (4.0, 11.2),
        "lying down": (10.6, 5.4),
        "jumping": turned((10.2, 2.2), slope),
    }[pose]
    nod = {"standing": 0.0, "sitting": 0.0, "lying down": -0.2, "jumping": 0.15}[pose]
    return Perch(body, slope, plus(body, neck), nod)


def _bird(pose: str, sway: float) -> Layers:
    p = _perch(pose, sway)

    def at(x: float, y: float) -> Point:
        return plus(p.body, turned((x, y), p.slope))

    def beak(x: float, y: float) -> Point:
        return plus(p.head, turned((x, y), p.nod))

    tail = [polygon([at(-6, 2.6), at(-6, -2.0), at(-15.5, -2.4), at(-15, 2.6)], "far")]
    body = [
        oval(p.body, (9.6, 6.0), "coat", p.slope),
        line([at(4.5, 1), p.head], 6.0, "coat"),
        oval(p.head, (4.6, 4.6), "coat"),
    ]
    top = [
        polygon([beak(3.4, 2.1), beak(3.4, -2.3), beak(10.6, -0.7)], "beak"),
        oval(plus(p.head, (1.3, 1.3)), (1.05, 1.1), "eye"),
    ]
    far, near = _wings_and_legs(pose, p)
    return far, tail, body, near, top


def _wings_and_legs(pose: str, p: Perch) -> tuple[list[Part], list[Part]]:
    def at(x: float, y: float) -> Point:
        return plus(p.body, turned((x, y), p.slope))

    def above(x: float, y: float) -> Point:
        return plus(p.body, (x, y))

    if pose == "jumping":
        far = [
            polygon([at(4, 2), at(-2, 3), above(-1.0, 17.5), above(6, 13.5)], "far"),
            line([at(-2, -4), above(-5, -9), above(-8, -10)], 1.7, "beak"),
            line([at(1, -4), above(-1, -9.5), above(-4, -11.5)], 1.7, "beak"),
        ]
        wing = [at(3, 1.5), at(-5.5, 1.5), above(-14.5, 13), above(-9, 16), above(-1, 11.5)]
        return far, [polygon(wing, "wing")]
    folded = oval(at(-2.2, 0.4), (7.4, 3.6), "wing", p.slope - 0.12)
    if pose == "standing":
        legs = [
            line([at(-1.5, -4), (-1.6, 0.8), (1.6, 0.7)], 1.8, "beak"),
            line([at(2.0, -4), (3.0, 0.8), (6.2, 0.7)], 1.8, "beak"),
        ]
        return legs, [folded]
    if pose == "sitting":
        return [line([(0.8, 0.9), (6.0, 0.8)], 2.0, "beak")], [folded]
    return [], [folded]
