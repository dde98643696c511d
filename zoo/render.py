"""Renders a scene, its animal's silhouette, and the pixels that differ between two scenes.

H, W the picture's side in pixels, always equal.
"""

from collections.abc import Iterator
from contextlib import contextmanager
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
Mask = NDArray[np.bool_]

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
X, Y, SIZE = (29.5, 34.5), (51.0, 58.0), (1.04, 1.24)  # ranges of an animal's placement


@dataclass(frozen=True)
class Placement:
    """Where the animal stands and how large it is; no text says so."""

    x: float  # 1/64 of the picture's side
    y: float  # of the ground under its feet, 1/64 of the side, down
    size: float


@dataclass(frozen=True)
class Chance:
    """The details of the animal that the seed decides."""

    at: Placement
    sway: float
    light: float
    tint: Colour

    @classmethod
    def sample(cls, rng: np.random.Generator) -> "Chance":
        """Draw the details at random."""
        return cls(
            at=Placement(*(float(rng.uniform(*bounds)) for bounds in (X, Y, SIZE))),
            sway=float(rng.uniform(-1, 1)),
            light=float(rng.uniform(0.94, 1.05)),
            tint=rng.uniform(-7, 7, 3) + rng.uniform(-6, 6),
        )


class Renderer:
    """Renders one scene with its animal in any placement; the place is drawn once."""

    def __init__(self, scene: Scene, size: int):
        """Draw the place, for pictures with a side of `size` pixels."""
        self._scene, self._size = scene, size
        self._chance = Chance.sample(np.random.default_rng([scene.seed, 1]))
        self.placement = self._chance.at  # the scene's own
        sketch = scene.style == "a sketch of"
        wash = _wash(scene, self._chance, sketch=sketch)
        self._manner = Manner(sketch=sketch, detailed=size >= DETAILED, wash=wash)
        around = Surroundings.sample(np.random.default_rng([scene.seed, 2]))
        surface, canvas = self._surface()
        draw_place(canvas, scene.place, around, self._manner)
        self._place = surface.makeImageSnapshot()

    def picture(self, at: Placement | None = None) -> Pixels:
        """Return the picture, [H, W, 3] uint8; the animal stands where the scene says or `at`."""
        surface, canvas = self._surface(self._place)
        with _placed(canvas, self._scene, at or self.placement):
            _draw_shadow(canvas, self._scene)
            self._draw_animal(canvas)
        pixels: Pixels = (self._shrunk(surface)[..., :3] + 0.5).astype(np.uint8)
        return pixels

    def silhouette(self, at: Placement | None = None, *, shadow: bool) -> Mask:
        """Return where the animal covers at least half a pixel, [H, W]; or it or its shadow."""
        surface, canvas = self._surface()
        with _placed(canvas, self._scene, at or self.placement):
            if shadow:
                _draw_shadow(canvas, self._scene, opaque=True)
            self._draw_animal(canvas)
        covered: Mask = self._shrunk(surface)[..., 3] >= 127.5
        return covered

    def _surface(self, image: skia.Image | None = None) -> tuple[skia.Surface, skia.Canvas]:
        """Return a surface with an image of its own size, and its canvas in units of the world."""
        side = self._size * self._times
        surface = skia.Surface(side, side)
        canvas = surface.getCanvas()
        if image is not None:
            canvas.drawImage(image, 0, 0)
        canvas.scale(side / SIDE, side / SIDE)
        return surface, canvas

    @property
    def _times(self) -> int:
        return DETAILED_SUPERSAMPLING if self._size >= DETAILED else SUPERSAMPLING

    def _shrunk(self, surface: skia.Surface) -> NDArray[np.float32]:
        """Return the mean colours and coverage of the picture's pixels, [H, W, 4], 0–255."""
        fine = surface.toarray(colorType=skia.kRGBA_8888_ColorType)
        size, times = self._size, self._times
        rows = fine.reshape(size, times, -1).sum(1, dtype=np.uint16)
        sums = rows.reshape(size, size, times, 4).sum(2, dtype=np.uint16)
        means: NDArray[np.float32] = sums.astype(np.float32) / times**2
        return means

    def _draw_animal(self, canvas: skia.Canvas) -> None:
        scene, chance = self._scene, self._chance
        tones = _tones(scene, chance, sketch=self._manner.sketch)
        if self._manner.detailed:
            _draw_layers(canvas, _in_detail(scene, chance), tones, DETAILED_OUTLINE)
        else:
            _draw_layers(canvas, animal(scene.animal, scene.pose, chance.sway), tones, OUTLINE)


def render(scene: Scene, size: int = 128) -> Pixels:
    """Render the scene as [size, size, 3] uint8."""
    return Renderer(scene, size).picture()


def change_mask(before: Scene, after: Scene, size: int = 128) -> NDArray[np.bool_]:
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


@contextmanager
def _placed(canvas: skia.Canvas, scene: Scene, at: Placement) -> Iterator[None]:
    """Let the block draw on the animal's axes."""
    canvas.save()
    canvas.translate(at.x, at.y)
    canvas.scale(at.size if scene.facing == "facing right" else -at.size, -at.size)
    yield
    canvas.restore()


def _draw_shadow(canvas: skia.Canvas, scene: Scene, *, opaque: bool = False) -> None:
    half = SHADOWS[scene.pose] * SHADOW_OF.get(scene.animal, 1.0)
    shade = 255 if opaque else 75 if scene.pose == "jumping" else 60
    canvas.drawOval(
        skia.Rect.MakeLTRB(1 - half, -1.8, 1 + half, 1.5), ink(np.array((20.0, 24, 40)), shade)
    )


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
