"""Bootstrap over edits: all ratings of an edit stay together (Efron 1979, percentile method).

r resamples, of which the first is the sample itself · e edits · m methods.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.common.statistics import LEVEL, RESAMPLES, SEED, Interval
from bench.study.ratings import Rating

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Sample:
    """Ratings with their edits and methods numbered, and how often each resample has an edit."""

    ratings: tuple[Rating, ...]
    methods: tuple[str, ...]
    edit_of: tuple[int, ...]  # [ratings]
    weights: Floats  # [r, e]

    @classmethod
    def of(cls, ratings: Sequence[Rating], seed: int = SEED) -> "Sample":
        """Draw the resamples."""
        numbers: dict[tuple[str, str], int] = {}
        edit_of = [
            numbers.setdefault((rating.edit, rating.prompt), len(numbers)) for rating in ratings
        ]
        methods = sorted({side for rating in ratings for side in (rating.left, rating.right)})
        drawn = np.random.default_rng(seed).multinomial(
            len(numbers), [1 / len(numbers)] * len(numbers), size=RESAMPLES
        )
        weights = np.concatenate([np.ones((1, len(numbers))), drawn])
        return cls(tuple(ratings), tuple(methods), tuple(edit_of), weights)

    @property
    def edits(self) -> int:
        """The number of edits."""
        return int(self.weights.shape[1])

    def resampled(self, by_edit: Floats) -> Floats:
        """Sum values [e, …] over the edits of each resample, [r, …]."""
        return np.tensordot(self.weights, by_edit, axes=1)


def interval(values: Floats, count: int) -> Interval | None:
    """Return the sample's value with its 95 % interval; None if the sample has no value.

    Args:
        values: [r]; NaN if a resample has no value.
        count: of ratings behind the value.
    """
    if not np.isfinite(values[0]):
        return None
    low, high = np.nanquantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(values[0]), float(low), float(high), count)
