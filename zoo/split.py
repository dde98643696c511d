"""Divides the scenes among training, validation, tuning of the methods, benchmark and samples.

The classifier of realism (`bench.edits.realism`) has scenes of its own.

Training never uses a tenth of the combinations of animal, colour, pose, place and style, nor any
seed from `VALIDATION_SEEDS` on.
"""

import itertools
from functools import cache

import numpy as np

from zoo.scene import ATTRIBUTES, Scene

TRAINING_SEEDS = range(0, 1_000_000)
VALIDATION_SEEDS = range(1_000_000, 2_000_000)
TUNING_SEEDS = range(2_000_000, 3_000_000)
BENCHMARK_SEEDS = range(3_000_000, 4_000_000)
SAMPLE_SEEDS = range(4_000_000, 4_001_000)
REALISM_SEEDS = range(5_000_000, 6_000_000)

SKETCHES = 0.35  # share of the pictures
HELD_OUT = 0.1  # share of the combinations
COMBINED = ("animal", "colour", "pose", "place", "style")


@cache
def held_out_combinations() -> frozenset[tuple[str, ...]]:
    """Return the combinations held out from training, as values in the order of `COMBINED`."""
    every = list(itertools.product(*(ATTRIBUTES[name] for name in COMBINED)))
    chosen = np.random.default_rng(2312).permutation(len(every))[: round(HELD_OUT * len(every))]
    return frozenset(every[i] for i in chosen)


def held_out(scene: Scene) -> bool:
    """Return whether the scene's combination is held out from training."""
    return tuple(getattr(scene, name) for name in COMBINED) in held_out_combinations()


def any_scene(seed: int, rng: np.random.Generator) -> Scene:
    """Return a scene with this seed and attributes drawn from `rng`."""
    drawn = {name: values[int(rng.integers(len(values)))] for name, values in ATTRIBUTES.items()}
    drawn["style"] = ATTRIBUTES["style"][int(rng.random() < SKETCHES)]
    return Scene(**drawn, seed=seed)


def training_scene(index: int) -> Scene:
    """Return the training scene at an index; its combination is never held out.

    Raises:
        IndexError: the index is out of range.
    """
    rng = np.random.default_rng([TRAINING_SEEDS[index], 0])
    while held_out(scene := any_scene(TRAINING_SEEDS[index], rng)):
        pass
    return scene


def validation_scene(index: int) -> Scene:
    """Return the validation scene at an index; its combination may be held out.

    Raises:
        IndexError: the index is out of range.
    """
    seed = VALIDATION_SEEDS[index]
    return any_scene(seed, np.random.default_rng([seed, 0]))
