"""Means with bootstrapped intervals (Efron 1979, percentile method)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

RESAMPLES = 2000
LEVEL = 0.95
SEED = 0


@dataclass(frozen=True)
class Interval:
    """A mean with its 95 % interval."""

    mean: float
    low: float
    high: float
    count: int  # of values


def bootstrap(values: Sequence[float | bool | None], seed: int = SEED) -> Interval | None:
    """Return the mean of the values that are not None; None if there is no such value."""
    known = np.array([float(value) for value in values if value is not None])
    if not len(known):
        return None
    rng = np.random.default_rng(seed)
    means = known[rng.integers(len(known), size=(RESAMPLES, len(known)))].mean(1)
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(known.mean()), float(low), float(high), len(known))


def paired(
    values: Sequence[float | bool | None],
    others: Sequence[float | bool | None],
    seed: int = SEED,
) -> Interval | None:
    """Return the mean of values − others, resampled in pairs; pairs with a None are left out."""
    pairs = zip(values, others, strict=True)
    return bootstrap(
        [float(a) - float(b) for a, b in pairs if a is not None and b is not None], seed
    )
