"""Agreement of raters who answered the same pairs.

Krippendorff's α for nominal data ("Computing Krippendorff's Alpha-Reliability", 2011, section C),
from coincidences: how often two raters gave the answers c and k to the same pair. α is 1 for full
agreement and 0 for what chance alone gives.

r resamples · e edits · c, k answers.
"""

from collections import defaultdict
from dataclasses import dataclass
from itertools import permutations
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from bench.common.statistics import Interval
from bench.study.answers import Better, Which
from bench.study.resampling import Sample, interval

Floats = NDArray[np.float64]
CHOICES = tuple(dict.fromkeys((*get_args(Which), *get_args(Better))))


@dataclass(frozen=True)
class Agreement:
    """How far raters agree on one question."""

    pairs: int  # answered by several raters
    same: Interval | None  # share of answers that another rater of the pair gave too
    alpha: Interval | None  # None without such pairs, or if all their answers are the same


def agreement(sample: Sample, question: str) -> Agreement:
    """Compare the raters of each pair."""
    by_pair: dict[tuple[int, int], list[int]] = defaultdict(list)
    for number, rating in enumerate(sample.ratings):
        by_pair[rating.study, rating.pair].append(number)
    shared = [numbers for numbers in by_pair.values() if len(numbers) > 1]
    coincidences = np.zeros((sample.edits, len(CHOICES), len(CHOICES)))
    for numbers in shared:
        given = [CHOICES.index(getattr(sample.ratings[number], question)) for number in numbers]
        for one, other in permutations(given, 2):
            coincidences[sample.edit_of[numbers[0]], one, other] += 1 / (len(given) - 1)
    resampled = sample.resampled(coincidences)  # [r, c, k]
    with np.errstate(divide="ignore", invalid="ignore"):
        same = resampled.trace(axis1=1, axis2=2) / resampled.sum((1, 2))
        values = alpha(resampled)
    count = sum(map(len, shared))
    return Agreement(len(shared), interval(same, count), interval(values, count))


def alpha(coincidences: Floats) -> Floats:
    """Return α of coincidences [r, c, k]; NaN if all answers are the same or there are none."""
    by_answer = coincidences.sum(2)  # [r, c]
    total = by_answer.sum(1)
    observed = total - coincidences.trace(axis1=1, axis2=2)
    expected = (total**2 - (by_answer**2).sum(1)) / (total - 1)
    return np.asarray(np.where(expected > 0, 1 - observed / expected, np.nan))
