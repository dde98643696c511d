"""Draws the animals in plain shapes: layers of parts, from the farthest to the nearest.

Axes and units are those of `drawing`. The features that distinguish the animals at a glance are
large: the dog's hanging ear and red collar, the cat's pointed ears and long curling tail, the
horse's height, neck and mane, the bird's beak, wing and thin legs.
"""

import math

from zoo.drawing import Layers, Part, Point, curve, line, oval, plus, polygon, rimmed, turned
from zoo.poses import BUILDS, Build, Haunch, Limb, Perch, Stance, perch, stance


def animal(name: str, pose: str, sway: float) -> Layers:
    """Return the layers of an animal in a pose; `sway` from −1 to 1 moves the head a little."""
    if name == "bird":
        return _bird(pose, sway)
    build = BUILDS[name]
    joints = stance(build, pose, sway)
    trunk = [
        line([joints.hip, joints.shoulder], 2 * build.girth * 0.94, "coat"),
        oval(joints.shoulder, (build.girth, build.girth), "coat"),
    ]
    tail, body, *top = _FEATURES[name](build, pose, joints)
    far = [_leg(limb, "far") for limb in joints.far]
    near = [_leg(limb, "coat") for limb in joints.near]
    return far, tail, trunk + body, near, *top


def _leg(limb: Limb | Haunch, tone: str) -> Part:
    if isinstance(limb, Haunch):
        return oval(limb.centre, limb.radii, tone)
    return line(limb.joints, limb.width, tone)


# Each function returns the layers of the tail, of body and head, and of what lies on top.


def _dog(b: Build, pose: str, s: Stance) -> Layers:
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
    collar = line([plus(middle, across), plus(middle, (-across[0], -across[1]))], 1.9, "collar")
    ear = oval(at(-2.4, -0.9), (2.1, 4.7), "dark", s.tilt - 0.18)
    face = [oval(at(7.7, -0.7), (1.35, 1.2), "nose"), oval(at(1.9, 1.2), (0.95, 1.05), "eye")]
    return tail, body, rimmed(0, collar), rimmed(0.6, ear), rimmed(0, *face)


def _cat(b: Build, pose: str, s: Stance) -> Layers:
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
    return tail, body, rimmed(0, *top)


def _horse(b: Build, pose: str, s: Stance) -> Layers:
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
    return tail, body, rimmed(0, *top)


_FEATURES = {"dog": _dog, "cat": _cat, "horse": _horse}


def _bird(pose: str, sway: float) -> Layers:
    p = perch(pose, sway)

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
    bill = polygon([beak(3.4, 2.1), beak(3.4, -2.3), beak(10.6, -0.7)], "beak")
    eye = oval(plus(p.head, (1.3, 1.3)), (1.05, 1.1), "eye")
    far, near = _wings_and_legs(pose, p)
    return far, tail, body, near, rimmed(0.6, bill), rimmed(0, eye)


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
