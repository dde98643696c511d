"""The valid answer nearest to an edited image.

The text leaves open where the animal stands and how large it is, so an edit that redraws it has
many valid answers: the exact one with the animal moved a little and rescaled. An edit that keeps
animal and pose (another colour, place or style) must leave the animal where it is, up to what the
eye does not notice.

H, W pixels.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import interpolate

from baret.images import Pixels
from bench.edits.cases import Task
from zoo.render import SIZE, Mask, Placement, Renderer
from zoo.scene import Scene

REDRAWN = ("animal", "pose")  # an edit that changes one of them redraws the animal
# How far a redrawn animal may be moved, in 1/64 of the side. Two pictures of the same
# text are at most 5 apart in x and 7 in y; in y less is allowed, since the photo shows its ground.
MAX_X, MAX_Y = 6.4, 3.84
TOLERANCE = 1.0  # how far an animal that must stay may be moved, likewise
SIZE_PER_STEP = 1 / 32  # change of size that moves the ends of an animal by 0.7 of such a unit
COARSE_SIDE, FINE_SIDE = 32, 64  # pixels; the search compares images of these sides
STEPS, LAST_STEPS = (1.6, 0.8), (0.4,)  # of the compass search, in 1/64 of the side
MAX_ERROR = 50  # grey levels; beyond it a pixel is wrong, however far


@dataclass(frozen=True)
class ValidAnswer:
    """A right answer to an edit."""

    picture: Pixels  # [H, W, 3]
    animal: Mask  # [H, W]
    object: Mask  # [H, W], the animal and its shadow


@dataclass(frozen=True)
class Bounds:
    """The lowest and the highest value of each part of a placement."""

    low: Placement
    high: Placement

    @classmethod
    def of(cls, task: Task, own: Placement) -> "Bounds":
        """Return the placements that are valid for an edit whose exact answer has `own`."""
        if redraws_animal(task):
            by, sizes = (MAX_X, MAX_Y), SIZE
        else:
            by = (TOLERANCE, TOLERANCE)
            sizes = (own.size - SIZE_PER_STEP, own.size + SIZE_PER_STEP)
        return cls(
            Placement(own.x - by[0], own.y - by[1], sizes[0]),
            Placement(own.x + by[0], own.y + by[1], sizes[1]),
        )

    def clip(self, x: float, y: float, size: float) -> Placement:
        """Return the nearest placement within the bounds."""
        low, high = self.low, self.high
        return Placement(
            min(max(x, low.x), high.x),
            min(max(y, low.y), high.y),
            min(max(size, low.size), high.size),
        )


def redraws_animal(task: Task) -> bool:
    """Return whether the edit redraws its animal, so that it may stand elsewhere."""
    return any(getattr(task.before, name) != getattr(task.after, name) for name in REDRAWN)


def valid_answer(scene: Scene, size: int, at: Placement | None = None) -> ValidAnswer:
    """Draw a scene with its animal where the scene says, or `at`."""
    renderer = Renderer(scene, size)
    return ValidAnswer(
        renderer.picture(at),
        renderer.silhouette(at, shadow=False),
        renderer.silhouette(at, shadow=True),
    )


def nearest_valid_answer(task: Task, image: Pixels) -> ValidAnswer:
    """Return the valid answer with the least error of an edited image [H, W, 3].

    Valid answers differ from each other only where their animals are, so the rest of the image
    has no say.
    """
    return valid_answer(task.after, len(image), nearest_placement(task, image))


def nearest_placement(task: Task, image: Pixels) -> Placement:
    """Return where the animal of the nearest valid answer stands.

    A coarse grid in small pictures finds a start. A compass search moves it along x, y and size as
    long as the error falls, in ever smaller steps, the last of them in pictures of full size.
    """
    exact = _Error(task.after, image, len(image))
    fine = _Error(task.after, image, FINE_SIDE) if len(image) > FINE_SIDE else exact
    bounds, best = Bounds.of(task, exact.own), exact.own
    if redraws_animal(task):
        best = min(_grid(bounds), key=_Error(task.after, image, COARSE_SIDE))
        best = _descend(best, STEPS, bounds, fine)
    best = min(best, exact.own, key=exact)
    return _descend(best, LAST_STEPS, bounds, exact)


def _descend(
    best: Placement, steps: Iterable[float], bounds: Bounds, error: Callable[[Placement], float]
) -> Placement:
    for step in steps:
        while (next_best := min(_around(best, step, bounds), key=error)) != best:
            best = next_best
    return best


class _Error:
    """The error of an image against the pictures of a scene, by placement.

    It is the squared error, bounded in every pixel, so that a remnant of the old animal does not
    draw the answer away from the new one.
    """

    def __init__(self, scene: Scene, image: Pixels, side: int):
        self._renderer = Renderer(scene, side)
        self._image = _resized(image, side)
        self._known: dict[Placement, float] = {}
        self.own = self._renderer.placement

    def __call__(self, at: Placement) -> float:
        if at not in self._known:
            error = np.square(self._renderer.picture(at) - self._image).mean(-1)
            self._known[at] = float(np.minimum(error, MAX_ERROR**2).sum())
        return self._known[at]


def _resized(image: Pixels, side: int) -> NDArray[np.float32]:
    """Return the image [H, W, 3] with another side."""
    pixels = torch.from_numpy(image.astype(np.float32)).permute(2, 0, 1)[None]
    small = interpolate(pixels, (side, side), mode="bilinear", antialias=True)
    resized: NDArray[np.float32] = small[0].permute(1, 2, 0).numpy()
    return resized


def _grid(bounds: Bounds) -> Iterator[Placement]:
    low, high = bounds.low, bounds.high
    for x, y, size in itertools.product((0, 0.25, 0.5, 0.75, 1), (0, 0.5, 1), (0.25, 0.75)):
        yield Placement(
            low.x + x * (high.x - low.x),
            low.y + y * (high.y - low.y),
            low.size + size * (high.size - low.size),
        )


def _around(at: Placement, step: float, bounds: Bounds) -> Iterator[Placement]:
    """Return a placement and those one step away along x, y and size."""
    yield at
    for by in (-step, step):
        yield bounds.clip(at.x + by, at.y, at.size)
        yield bounds.clip(at.x, at.y + by, at.size)
        yield bounds.clip(at.x, at.y, at.size + by * SIZE_PER_STEP)
