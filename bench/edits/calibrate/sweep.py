"""The limits of *right* that agree best with ratings, cross-validated over edits.

c criteria · j judgements.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from math import inf

import numpy as np
from numpy.typing import NDArray

from bench.edits.calibrate.ratings import Image
from bench.edits.criteria import CRITERIA, Criteria
from bench.edits.evaluation import Row

FOLDS, SEED = 6, 0
GRID = {
    "min_drawn": (0.0, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75),
    "max_ghost": (0.05, 0.1, 0.2, inf),
    "max_lost": (0.1, 0.2, 0.3, 0.4, 0.5, inf),
    "max_background_loss": (3.0, 4.5, 6.0, inf),
    "max_seam": (1.5, 2.5, inf),
}


@dataclass(frozen=True)
class Sweep:
    """What the sweep found; scores are the mean share of good passed and of not good refused."""

    current: float  # of today's limits, on all judgements
    best: Criteria  # on all judgements; of equal ones that nearest to today's
    best_score: float  # there; too high, since the limits were chosen on the same judgements
    held_out_score: float  # each judgement under limits that were chosen without its edit
    chosen: tuple[Criteria, ...]  # those limits, by fold


def sweep(judged: Sequence[tuple[Image, bool]], rows: Mapping[Image, Row]) -> Sweep:
    """Try every combination of the limits in GRID.

    Args:
        judged: images, and whether people say that they are good.
        rows: the measurements of each image.
    """
    criteria = _criteria()
    passed = _passed(criteria, [rows[image] for image, _ in judged])  # [c, j]
    good = np.array([truth for _, truth in judged])
    fold = _folds(np.array([image[0] for image, _ in judged]))
    held_out, chosen = np.zeros(len(judged), bool), []
    for number in range(FOLDS):
        best = int(_scores(passed[:, fold != number], good[fold != number]).argmax())
        held_out[fold == number] = passed[best, fold == number]
        chosen.append(criteria[best])
    scores = _scores(passed, good)
    best = int(scores.argmax())
    return Sweep(
        current=float(scores[criteria.index(CRITERIA)]),
        best=criteria[best],
        best_score=float(scores[best]),
        held_out_score=float(_scores(held_out[None], good)[0]),
        chosen=tuple(chosen),
    )


def _criteria() -> list[Criteria]:
    """Return all combinations, the one nearest to today's first, so that it wins a tie."""
    every = [
        replace(CRITERIA, **dict(zip(GRID, limits, strict=True)))
        for limits in itertools.product(*GRID.values())
    ]
    ranks = {name: {limit: i for i, limit in enumerate(limits)} for name, limits in GRID.items()}

    def distance(criteria: Criteria) -> int:
        return sum(
            abs(ranks[name][getattr(criteria, name)] - ranks[name][getattr(CRITERIA, name)])
            for name in GRID
        )

    return sorted({CRITERIA, *every}, key=lambda one: (distance(one), astuple(one)))


def _passed(criteria: Sequence[Criteria], rows: Sequence[Row]) -> NDArray[np.bool_]:
    """Return which criteria each image meets, [c, j]."""
    passed: NDArray[np.bool_] = np.array(
        [[row.is_right(one) for row in rows] for one in criteria], dtype=bool
    )
    return passed


def _folds(edits: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the fold of each judgement; all of an edit are in one."""
    distinct = np.unique(edits)
    order = np.random.default_rng(SEED).permutation(len(distinct))
    fold: NDArray[np.int64] = (order % FOLDS)[np.searchsorted(distinct, edits)]
    return fold


def _scores(passed: NDArray[np.bool_], good: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the balanced accuracy of each row of passed [c, j]; of one class if there is one."""
    shares = [
        (passed[:, good == truth] == truth).mean(1) for truth in (True, False) if truth in good
    ]
    scores: NDArray[np.float64] = np.mean(shares, 0)
    return scores
