"""How often a measure that says yes or no to each image agrees with people's ratings.

Ratings of one edit depend on each other, so they are averaged, and edits are resampled.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bench.common.statistics import Interval, bootstrap
from bench.edits.calibrate.ratings import Image, Rating, judgements

Verdicts = Mapping[Image, bool]


@dataclass(frozen=True)
class Agreement:
    """Shares with their intervals; None if there is nothing to take a share of."""

    agree: Interval | None  # of all judgements of an image
    passed: Interval | None  # of the images judged good, those that the measure passes
    refused: Interval | None  # of the images judged not good, those that the measure refuses
    better: Interval | None  # of the pairs with one passed, those in which it looks better


def agreement(ratings: Sequence[Rating], verdicts: Verdicts) -> Agreement:
    """Compare verdicts with ratings; *equal* counts half."""
    single = [(image[0], good, verdicts[image]) for image, good in judgements(ratings)]
    return Agreement(
        agree=by_edit((edit, good == passed) for edit, good, passed in single),
        passed=by_edit((edit, passed) for edit, good, passed in single if good),
        refused=by_edit((edit, not passed) for edit, good, passed in single if not good),
        better=by_edit(_preferences(ratings, verdicts)),
    )


def _preferences(ratings: Sequence[Rating], verdicts: Verdicts) -> Iterable[tuple[int, float]]:
    for rating in ratings:
        passed = [verdicts[image] for image in rating.images]
        if sum(passed) == 1:
            wins = 0.5 if rating.better is None else float(passed[rating.better])
            yield rating.images[0][0], wins


def by_edit(values: Iterable[tuple[int, float]]) -> Interval | None:
    """Return the mean over edits of each edit's mean, with its interval; None without values."""
    grouped = defaultdict[int, list[float]](list)
    for edit, value in values:
        grouped[edit].append(value)
    return bootstrap([float(np.mean(own)) for own in grouped.values()])
