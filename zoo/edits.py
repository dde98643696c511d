"""The edits used to judge methods: a picture, a sentence and the exact answer."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from zoo.captions import caption
from zoo.scene import ATTRIBUTES, Scene
from zoo.split import BENCHMARK_SEEDS, REALISM_SEEDS, TUNING_SEEDS, any_scene, held_out

KINDS: dict[str, tuple[str, ...]] = {  # kind of edit → the attributes that may change
    "posture": ("pose",),
    "animal": ("animal",),
    "colour": ("colour",),
    "place": ("place",),
    "style": ("style",),
    "two": ("animal", "colour", "pose", "place"),
}
BENCHMARK = {"posture": 80, "animal": 30, "colour": 30, "place": 30, "style": 15, "two": 15}
TUNING = {"posture": 18, "animal": 7, "colour": 7, "place": 7, "style": 5, "two": 4}


@dataclass(frozen=True)
class Case:
    """One edit with a known answer."""

    index: int
    kind: str
    before: Scene
    after: Scene

    @property
    def source_caption(self) -> str:
        """Caption of the picture, for methods that need one."""
        return caption(self.before)

    @property
    def prompt(self) -> str:
        """Caption of the edited picture."""
        return caption(self.after)

    @property
    def changed(self) -> tuple[str, ...]:
        """The attributes that the edit changes."""
        return tuple(
            name for name in ATTRIBUTES if getattr(self.before, name) != getattr(self.after, name)
        )


def benchmark_edits() -> tuple[Case, ...]:
    """Return the benchmark's 200 edits, 80 of them non-rigid.

    Run them once; tune on `tuning_edits`. Every second answer shows a combination that is held out
    from training.
    """
    return _draw(BENCHMARK, BENCHMARK_SEEDS)


def tuning_edits() -> tuple[Case, ...]:
    """Return the 48 edits for tuning settings, with kinds in similar shares."""
    return _draw(TUNING, TUNING_SEEDS)


def realism_edits(count: int) -> tuple[Case, ...]:
    """Return edits for training the classifier of realism; one kind follows the other in turn."""
    kinds = tuple(KINDS)
    return tuple(_case(i, kinds[i % len(kinds)], REALISM_SEEDS[i]) for i in range(count))


def _draw(counts: dict[str, int], seeds: Sequence[int]) -> tuple[Case, ...]:
    kinds = [kind for kind, count in counts.items() for _ in range(count)]
    return tuple(_case(index, kind, seeds[index]) for index, kind in enumerate(kinds))


def _case(index: int, kind: str, seed: int) -> Case:
    """Draw scenes until the answer is held out (odd index) or not (even index)."""
    rng = np.random.default_rng([seed, 0])
    while True:
        before = any_scene(seed, rng)
        after = _changed(before, kind, rng)
        if held_out(after) == (index % 2 == 1):
            return Case(index, kind, before, after)


def _changed(scene: Scene, kind: str, rng: np.random.Generator) -> Scene:
    names = KINDS[kind]
    if kind == "two":
        names = tuple(str(name) for name in rng.choice(names, 2, replace=False))
    values: dict[str, str] = {}
    for name in names:
        others = [value for value in ATTRIBUTES[name] if value != getattr(scene, name)]
        values[name] = others[int(rng.integers(len(others)))]
    return replace(scene, **values)  # type: ignore[arg-type]
