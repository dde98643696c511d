"""Defines where each pose puts an animal's joints, and how large the animals are.

Axes and units are those of `drawing`.
"""

import math
from dataclasses import dataclass

from zoo.drawing import Point, plus, turned


@dataclass(frozen=True)
class Build:
    """A quadruped's measurements."""

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
class Limb:
    """A leg, or the part of it that shows: its joints from the trunk to the foot."""

    joints: tuple[Point, ...]
    width: float


@dataclass(frozen=True)
class Haunch:
    """The thigh of a folded hind leg, an upright ellipse."""

    centre: Point
    radii: Point


@dataclass(frozen=True)
class Stance:
    """The positions of a quadruped's joints in a pose."""

    hip: Point
    shoulder: Point
    head: Point
    tilt: float  # of the head, radians
    far: tuple[Limb, ...]
    near: tuple[Limb | Haunch, ...]


def stance(build: Build, pose: str, sway: float) -> Stance:
    """Return the joints in a pose; `sway` from −1 to 1 moves the head a little."""
    return _STANCES[pose](build, sway)


def _head(build: Build, shoulder: Point, degrees: float) -> Point:
    return plus(shoulder, turned((build.neck, 0), math.radians(degrees)))


def _standing(b: Build, sway: float) -> Stance:
    height = b.leg + b.girth * 0.75
    hip, shoulder = (-b.length / 2, height), (b.length / 2, height + 0.4)
    far = (
        Limb((plus(shoulder, (1.6, -2)), (shoulder[0] + 3.4, 0.7)), b.leg_width),
        Limb((plus(hip, (1.4, -2)), (hip[0] + 3.4, 0.7)), b.leg_width),
    )
    near = (
        Limb((plus(shoulder, (-1.4, -1.5)), (shoulder[0] - 1.4, 0.7)), b.leg_width),
        Limb(
            (plus(hip, (-1.0, -1.0)), (hip[0] - 2.4, b.leg * 0.5), (hip[0] - 1.8, 0.7)),
            b.leg_width,
        ),
    )
    return Stance(hip, shoulder, _head(b, shoulder, b.rise + 5 * sway), 0.05 * sway, far, near)


def _sitting(b: Build, sway: float) -> Stance:
    height = max(b.leg + b.girth * 0.6, b.length * 0.74)
    hip, shoulder = (-b.length * 0.34, b.girth * 1.0), (b.length * 0.2, height)
    foot = shoulder[0] + 1.6
    far = (Limb((plus(shoulder, (1.8, -2)), (foot + 2.6, 0.7)), b.leg_width),)
    near = (
        Limb((plus(shoulder, (0.4, -1.5)), (foot - 0.4, 0.7)), b.leg_width),
        Haunch((hip[0] + 1.4, b.girth * 0.98), (b.girth * 1.12, b.girth * 0.95)),
        Limb(((hip[0] + 2.0, 0.9), (hip[0] + 2.6 + b.girth, 0.9)), b.leg_width * 0.85),
    )
    return Stance(hip, shoulder, _head(b, shoulder, b.rise + 8 + 5 * sway), 0.05 * sway, far, near)


def _lying(b: Build, sway: float) -> Stance:
    hip, shoulder = (-b.length / 2, b.girth * 0.95), (b.length / 2, b.girth * 1.0)
    reach = min(b.leg, 9.5)
    far = (Limb((plus(shoulder, (0, -2)), (shoulder[0] + reach, 1.7)), b.leg_width),)
    near = (
        Limb(((shoulder[0] - 1, 1.6), (shoulder[0] + reach * 0.85, 1.0)), b.leg_width),
        Haunch((hip[0] + 1.6, b.girth * 0.85), (b.girth * 1.1, b.girth * 0.85)),
        Limb(((hip[0] + 2, 1.0), (hip[0] + 3 + b.girth, 1.0)), b.leg_width * 0.85),
    )
    return Stance(hip, shoulder, _head(b, shoulder, b.rise - 14 + 5 * sway), 0.05 * sway, far, near)


def _jumping(b: Build, sway: float) -> Stance:
    low = b.leg * 0.75 + (8.0 if b.leg < 10 else 4.5)
    hip, shoulder = (-b.length * 0.46, low), (b.length * 0.44, low + b.length * 0.42)
    leg = max(b.leg, 7.0)
    far = (
        Limb((plus(shoulder, (1, -1)), plus(shoulder, (leg * 1.05, 0.1 * leg))), b.leg_width),
        Limb((hip, plus(hip, (-leg * 0.55, -leg * 0.95))), b.leg_width),
    )
    reach = tuple(
        plus(shoulder, step)
        for step in ((0, -1.5), (leg * 0.5, -leg * 0.45), (leg * 0.98, -leg * 0.4))
    )
    near = (
        Limb(reach, b.leg_width),
        Limb((hip, plus(hip, (-leg * 1.0, -leg * 0.62))), b.leg_width),
    )
    head = _head(b, shoulder, b.rise - 12 + 5 * sway)
    return Stance(hip, shoulder, head, 0.12 + 0.05 * sway, far, near)


_STANCES = {
    "standing": _standing,
    "sitting": _sitting,
    "lying down": _lying,
    "jumping": _jumping,
}


@dataclass(frozen=True)
class Perch:
    """The position of a bird's body in a pose."""

    body: Point
    slope: float  # of the body, radians
    head: Point
    nod: float  # of the beak, radians


def perch(pose: str, sway: float) -> Perch:
    """Return a bird's joints in a pose; `sway` from −1 to 1 turns the body a little."""
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
