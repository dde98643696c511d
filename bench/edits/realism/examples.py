"""Examples: real pictures and edits, of scenes that nothing else uses.

Real are pictures as a faultless method could return them: through the VAE, or the photo itself
except around a change. Otherwise the classifier would take sharp pixels of the photo for a fault,
and methods that keep them for unreal.

n examples · H, W pixels.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import avg_pool2d, max_pool2d

from baret.images import Pixels
from bench.edits.batch import Batch
from bench.edits.cases import Task, task
from bench.edits.methods import methods_with_steps
from bench.edits.model import BatchModel, Images
from zoo.edits import realism_edits

STEPS = 10  # of every method; as unreal as with 20, at half the cost
METHODS = (  # a spread of what edits look like; the costly ones are left out
    "ddim",
    "ddim-kept",
    "sdedit-0.6",
    "sdedit-0.8",
    "leditspp",
    "plug-and-play",
    "masactrl",
    "baret",
)
BATCH = 8  # images that share a setting
REAL = "real"


@dataclass(frozen=True)
class Examples:
    """Images with what made them."""

    images: Images  # [n, H, W, 3]
    origins: NDArray[np.str_]  # [n], REAL or the name of a method
    cases: NDArray[np.int64]  # [n], the edit that an image belongs to

    @property
    def real(self) -> NDArray[np.bool_]:
        """Whether each image is real, [n]."""
        real: NDArray[np.bool_] = self.origins == REAL
        return real

    def where(self, chosen: NDArray[np.bool_]) -> "Examples":
        """Return some of the examples; `chosen` is [n]."""
        return Examples(self.images[chosen], self.origins[chosen], self.cases[chosen])


def make_examples(
    model: BatchModel, each: int, rng: np.random.Generator, on_done: Callable[[int], object]
) -> Examples:
    """Make `each` edits by every method, and four real pictures for each of them.

    Args:
        model: edits, and encodes the real pictures.
        each: a multiple of BATCH.
        rng: draws the settings of the methods and the composition of real pictures.
        on_done: called with the number of edits just made.
    """
    cases = realism_edits(each * len(METHODS))
    tasks = [task(case, model.model.native_size) for case in cases]
    images: list[Pixels] = []
    origins: list[str] = []
    numbers: list[int] = []
    for i in range(0, len(tasks), BATCH):
        own = tasks[i : i + BATCH]
        name = METHODS[i // BATCH % len(METHODS)]
        for real in _real(model, own, rng):
            images += list(real)
            origins += [REAL] * len(own)
            numbers += [one.index for one in own]
        images += list(_edited(model, name, own, rng))
        origins += [name] * len(own)
        numbers += [one.index for one in own]
        on_done(len(own))
    return Examples(np.stack(images), np.array(origins), np.array(numbers))


def _edited(
    model: BatchModel, name: str, tasks: Sequence[Task], rng: np.random.Generator
) -> Images:
    method = methods_with_steps(STEPS)[name]
    options: Any = method.tries[int(rng.integers(len(method.tries)))]
    return method.run(model, Batch.of(tasks), options).images


def _real(model: BatchModel, tasks: Sequence[Task], rng: np.random.Generator) -> list[Images]:
    """Return sources and answers, each through the VAE alone and composed with itself."""
    found = []
    for pictures in (np.stack([t.source for t in tasks]), np.stack([t.answer for t in tasks])):
        through_vae = model.decode(model.encode(pictures))
        composed = [
            _composed(*row, rng)
            for row in zip(pictures, through_vae, [t.may_change for t in tasks], strict=True)
        ]
        found += [through_vae, np.stack(composed)]
    return found


def _composed(
    picture: Pixels, through_vae: Pixels, changed: NDArray[np.bool_], rng: np.random.Generator
) -> Pixels:
    """Return a picture that shows itself through the VAE where an edit changes it."""
    grown, soft = (2 * int(rng.integers(5)) + 1 for _ in range(2))
    mask = torch.from_numpy(changed.astype(np.float32))[None]
    mask = max_pool2d(mask, grown, 1, grown // 2)
    alpha = avg_pool2d(mask, soft, 1, soft // 2)[0, :, :, None].numpy()
    composed: Pixels = (alpha * through_vae + (1 - alpha) * picture + 0.5).astype(np.uint8)
    return composed
