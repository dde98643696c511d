"""The edits: what a method receives, and the exact answer it is compared with.

H, W pixels.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from baret.images import Pixels
from zoo.edits import Case, benchmark_edits, tuning_edits
from zoo.render import change_mask, render
from zoo.scene import Scene, labels

SPLITS = {"tuning": tuning_edits, "benchmark": benchmark_edits}


@dataclass(frozen=True)
class Task:
    """One edit with everything that is known about it."""

    index: int
    kind: str
    before: Scene
    after: Scene
    source: Pixels  # [H, W, 3]
    answer: Pixels  # [H, W, 3], exact
    may_change: NDArray[np.bool_]  # [H, W], where the answer differs from the source
    source_caption: str
    prompt: str
    source_labels: tuple[int, ...]
    labels: tuple[int, ...]  # of the answer

    @property
    def changed(self) -> NDArray[np.bool_]:
        """Whether the edit changes each attribute, [attributes]."""
        changed: NDArray[np.bool_] = np.array(self.labels) != np.array(self.source_labels)
        return changed

    @property
    def key(self) -> str:
        """A digest of all that a method receives; results are stored under it."""
        digest = hashlib.sha256(self.source.tobytes())
        digest.update(repr((self.index, self.prompt, self.source_caption)).encode())
        return digest.hexdigest()[:16]


def task(case: Case, size: int) -> Task:
    """Draw a case at a size in pixels."""
    return Task(
        index=case.index,
        kind=case.kind,
        before=case.before,
        after=case.after,
        source=render(case.before, size),
        answer=render(case.after, size),
        may_change=change_mask(case.before, case.after, size),
        source_caption=case.source_caption,
        prompt=case.prompt,
        source_labels=labels(case.before),
        labels=labels(case.after),
    )


def tasks(split: str, size: int, limit: int | None = None) -> tuple[Task, ...]:
    """Return the edits of a split, at most `limit` of them, spread over all kinds."""
    cases: Sequence[Case] = SPLITS[split]()
    if limit is not None and limit < len(cases):
        cases = [cases[round(i)] for i in np.linspace(0, len(cases) - 1, limit)]
    return tuple(task(case, size) for case in cases)
