"""How sure a mean over edits is: bootstrapped intervals (Efron 1979, percentiles)."""

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
    """The mean of the values that are there; None where none is."""
    there = np.array([float(value) for value in values if value is not None])
    if not len(there):
        return None
    rng = np.random.default_rng(seed)
    means = there[rng.integers(len(there), size=(RESAMPLES, len(there)))].mean(1)
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(there.mean()), float(low), float(high), len(there))


def paired(
    ours: Sequence[float | bool | None],
    theirs: Sequence[float | bool | None],
    seed: int = SEED,
) -> Interval | None:
    """The mean of ours − theirs over the edits that both have; edits are resampled in pairs."""
    both = zip(ours, theirs, strict=True)
    return bootstrap(
        [float(a) - float(b) for a, b in both if a is not None and b is not None], seed
    )
