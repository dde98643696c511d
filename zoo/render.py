"""Renders a scene, and finds the pixels that differ between two scenes.

H, W the picture's side in pixels, always equal.
"""

from dataclasses import dataclass

import numpy as np
import skia
from numpy.typing import NDArray

from zoo.animals import animal
from zoo.birds import bird
from zoo.drawing import Colour, Layers, draw, ink
from zoo.places import PAPER, SIDE, Manner, Surroundings, draw_place
from zoo.quadrupeds import quadruped
from zoo.scene import Scene
from zoo.scenery import RGB, Wash

Pixels = NDArray[np.uint8]

SUPERSAMPLING = 4  # drawn pixels per picture pixel, along each side
NOTICEABLE = 3  # grey levels by which a changed pixel differs at least
DETAILED = 96  # smallest side, in pixels, that shows faces, paws, feathers and leaves
OUTLINE = 0.8
DETAILED_OUTLINE = 0.5
DETAILED_SUPERSAMPLING = 2

COATS: dict[str, RGB] = {
    "brown": (130, 76, 36),
    "black": (36, 36, 44),
    "white": (244, 244, 240),
    "orange": (240, 134, 32),
    "gray": (148, 150, 156),
}
FIXED: dict[str, RGB] = {
    "collar": (214, 44, 52),
    "pink": (232, 134, 142),
    "beak": (246, 170, 36),
    "beak_below": (222, 138, 24),
    "tag": (248, 206, 72),
    "white": (252, 252, 250),
    "pupil": (26, 22, 26),
}
SHADOWS = {"standing": 13.0, "sitting": 10.5, "lying down": 14.0, "jumping": 10.0}
SHADOW_OF = {"horse": 1.1, "bird": 0.8}


@dataclass(frozen=True)
class Chance:
    """The details of the animal that the seed decides."""

    x: float
    y: float
    size: float
    sway: float
    light: float
    tint: Colour

    @classmethod
    def sample(cls, rng: np.random.Generator) -> "Chance":
        """Draw the details at random."""
        return cls(
            x=float(rng.uniform(29.5, 34.5)),
            y=float(rng.uniform(51, 58)),
            size=float(rng.uniform(1.04, 1.24)),
            sway=float(rng.uniform(-1, 1)),
            light=float(rng.uniform(0.94, 1.05)),
            tint=rng.uniform(-7, 7, 3) + rng.uniform(-6, 6),
        )


def render(scene: Scene, size: int = 64) -> Pixels:
    """Render the scene as [size, size, 3] uint8."""
    chance = Chance.sample(np.random.default_rng([scene.seed, 1]))
    around = Surroundings.sample(np.random.default_rng([scene.seed, 2]))
    sketch = scene.style == "a sketch of"
    detailed = size >= DETAILED
    times = DETAILED_SUPERSAMPLING if detailed else SUPERSAMPLING
    surface = skia.Surface(size * times, size * times)
    canvas = surface.getCanvas()
    canvas.scale(size * times / SIDE, size * times / SIDE)
    manner = Manner(sketch=sketch, detailed=detailed, wash=_wash(scene, chance, sketch=sketch))
    draw_place(canvas, scene.place, around, manner)
    _draw_animal(canvas, scene, chance, manner)
    fine = surface.toarray(colorType=skia.kRGBA_8888_ColorType)[..., :3].astype(np.float32)
    coarse = fine.reshape(size, times, size, times, 3).mean((1, 3))
    pixels: Pixels = (coarse + 0.5).astype(np.uint8)
    return pixels


def change_mask(before: Scene, after: Scene, size: int = 64) -> NDArray[np.bool_]:
    """Return where the exact answer differs, [size, size]; an edit must keep all other pixels."""
    a, b = render(before, size).astype(np.int16), render(after, size).astype(np.int16)
    changed: NDArray[np.bool_] = np.abs(a - b).max(-1) >= NOTICEABLE
    return changed


def _wash(scene: Scene, chance: Chance, *, sketch: bool) -> Wash:
    """Return the wash: thin colour on paper for a sketch, the scene's light for a photo."""
    if not sketch:
        return lambda colour: np.asarray(colour, float) * chance.light
    strength = 0.62 if scene.place == "at night" else 0.5
    return lambda colour: np.asarray(colour, float) * strength + PAPER * (1 - strength)


def _draw_animal(canvas: skia.Canvas, scene: Scene, chance: Chance, manner: Manner) -> None:
    tones = _tones(scene, chance, sketch=manner.sketch)
    canvas.save()
    canvas.translate(chance.x, chance.y)
    canvas.scale(chance.size if scene.facing == "facing right" else -chance.size, -chance.size)
    half = SHADOWS[scene.pose] * SHADOW_OF.get(scene.animal, 1.0)
    shade = 75 if scene.pose == "jumping" else 60
    canvas.drawOval(
        skia.Rect.MakeLTRB(1 - half, -1.8, 1 + half, 1.5), ink(np.array((20.0, 24, 40)), shade)
    )
    if manner.detailed:
        _draw_layers(canvas, _in_detail(scene, chance), tones, DETAILED_OUTLINE)
    else:
        _draw_layers(canvas, animal(scene.animal, scene.pose, chance.sway), tones, OUTLINE)
    canvas.restore()


def _in_detail(scene: Scene, chance: Chance) -> Layers:
    if scene.animal == "bird":
        return bird(scene.pose, chance.sway)
    return quadruped(scene.animal, scene.pose, chance.sway)


def _draw_layers(
    canvas: skia.Canvas, layers: Layers, tones: dict[str, Colour], outline: float
) -> None:
    """Draw each layer with one outline around all parts that take an outline."""
    for layer in layers:
        for part in layer:
            if part.rim:
                draw(canvas, part, tones["outline"], outline * part.rim)
        for part in layer:
            draw(canvas, part, tones[part.tone])


def _tones(scene: Scene, chance: Chance, *, sketch: bool) -> dict[str, Colour]:
    """Return the palette for the animal's parts."""
    black, white = scene.colour == "black", scene.colour == "white"
    coat = np.array(COATS[scene.colour], float) + chance.tint * (0.5 if black or white else 0.8)
    coat = coat * 0.86 + PAPER * 0.14 if sketch else coat * chance.light
    outline = coat * 0.42
    if sketch:
        outline = np.array((124.0, 120, 114) if black else (58.0, 56, 54))
    elif black or white:
        outline = np.array((112.0, 114, 132) if black else (112.0, 114, 126))
    mane = coat * 0.5
    if black or white:
        mane = np.array((86.0, 86, 98) if black else (190.0, 176, 150))
    tones = {name: np.array(colour, float) for name, colour in FIXED.items()}
    tones |= _markings(coat, mane, scene.colour)
    return tones | {
        "coat": coat,
        "far": coat * (0.86 if black else 0.74),
        "wing": coat * (1.7 if black else 0.8),
        "dark": coat * (1.6 if black else 0.62),
        "mane": mane,
        "outline": outline,
        "nose": np.array((150.0, 150, 160) if black else (16.0, 16, 18)),
        "eye": np.array((250.0, 250, 250) if black else (16.0, 16, 18)),
        "green": np.array((190.0, 235, 90) if black else (56.0, 150, 60)),
    }


def _markings(coat: Colour, mane: Colour, colour: str) -> dict[str, Colour]:
    """Return the tones that only detailed pictures use."""
    black, white = colour == "black", colour == "white"
    return {
        "pale": coat + (np.array((255.0, 248, 236)) - coat) * (0.3 if black else 0.5),
        "shade": coat * (0.7 if black else 0.86),
        "stripe": coat * (1.75 if black else 0.86 if white else 0.72),
        "cover": coat * (2.1 if black else 0.92 if white else 0.94),
        "muzzle": coat * (1.7 if black else 0.86 if white else 0.72),
        "strand": mane * (1.35 if black else 0.8),
        "hoof": np.array((122.0, 120, 130) if black else (72.0, 60, 56)),
        "shine": np.array((235.0, 235, 240) if black else (150.0, 150, 156)),
    }
