"""The figures of a study: scores, win rates, shares of yes, and agreement, with intervals.

r resamples · e edits · m methods.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.common.statistics import Interval
from bench.study import bradley_terry
from bench.study.agreement import Agreement, agreement
from bench.study.answers import QUESTIONS
from bench.study.errors import AnswerError
from bench.study.ratings import Rating
from bench.study.resampling import Sample, interval

Floats = NDArray[np.float64]

LEFT_POINTS = {"left": 1.0, "right": 0.0}  # every other answer is a tie, half a point each


@dataclass(frozen=True)
class WinRate:
    """How often a method was preferred to another one; ties count half."""

    share: float
    count: int


@dataclass(frozen=True)
class MethodFigures:
    """The figures of one method."""

    ratings: int
    asked: Interval  # share of its ratings in which it did what was asked
    kept: Interval  # … in which it kept the rest
    both: Interval  # … in which it did both
    scores: dict[str, Interval]  # by question
    wins: dict[str, dict[str, WinRate]]  # by question and other method


@dataclass(frozen=True)
class Analysis:
    """All figures of a study."""

    raters: dict[str, int]  # number of ratings by rater
    pairs: int
    edits: int
    groups: list[list[str]]  # methods whose scores can be compared
    methods: dict[str, MethodFigures]
    agreement: dict[str, Agreement]  # by question


def analyse(ratings: Sequence[Rating]) -> Analysis:
    """Compute all figures.

    Raises:
        AnswerError: nobody has rated anything.
    """
    if not ratings:
        raise AnswerError("The study has no answers yet; collect them with `serve` or `enter`.")
    sample = Sample.of(ratings)
    number = {method: i for i, method in enumerate(sample.methods)}
    groups = bradley_terry.groups(
        [(number[rating.left], number[rating.right]) for rating in ratings], len(number)
    )
    points = {question: _points(sample, question) for question in QUESTIONS}
    scores = {question: _scores(sample, points[question], groups) for question in QUESTIONS}
    return Analysis(
        raters=dict(sorted(Counter(rating.rater for rating in ratings).items())),
        pairs=len({(rating.study, rating.pair) for rating in ratings}),
        edits=sample.edits,
        groups=[[sample.methods[i] for i in group] for group in groups],
        methods={
            name: MethodFigures(
                ratings=sum(name in (rating.left, rating.right) for rating in ratings),
                asked=_share(sample, name, lambda rating, side: _yes(rating.asked, side)),
                kept=_share(sample, name, lambda rating, side: _yes(rating.kept, side)),
                both=_share(
                    sample,
                    name,
                    lambda rating, side: _yes(rating.asked, side) and _yes(rating.kept, side),
                ),
                scores={question: scores[question][name] for question in QUESTIONS},
                wins={q: _win_rates(sample.methods, points[q].sum(0), i) for q in QUESTIONS},
            )
            for name, i in number.items()
        },
        agreement={question: agreement(sample, question) for question in QUESTIONS},
    )


def _points(sample: Sample, question: str) -> Floats:
    """Return how often a method was preferred to another one, by edit, [e, m, m]."""
    points = np.zeros((sample.edits, len(sample.methods), len(sample.methods)))
    for edit, rating in zip(sample.edit_of, sample.ratings, strict=True):
        left, right = (sample.methods.index(side) for side in (rating.left, rating.right))
        won = LEFT_POINTS.get(getattr(rating, question), 0.5)
        points[edit, left, right] += won
        points[edit, right, left] += 1 - won
    return points


def _scores(sample: Sample, points: Floats, groups: Sequence[list[int]]) -> dict[str, Interval]:
    """Fit the scores within each group."""
    resampled = sample.resampled(points)  # [r, m, m]
    scores: dict[str, Interval] = {}
    for group in groups:
        fitted = bradley_terry.scores(resampled[:, group][:, :, group])
        for column, method in enumerate(group):
            count = round(points[:, method].sum() + points[:, :, method].sum())
            scores[sample.methods[method]] = _known(interval(fitted[:, column], count))
    return scores


def _share(sample: Sample, name: str, holds: Callable[[Rating, str], bool]) -> Interval:
    """Return the share of a method's ratings of which something holds."""
    held, rated = np.zeros(sample.edits), np.zeros(sample.edits)
    for edit, rating in zip(sample.edit_of, sample.ratings, strict=True):
        for side in ("left", "right"):
            if getattr(rating, side) == name:
                rated[edit] += 1
                held[edit] += holds(rating, side)
    with np.errstate(invalid="ignore"):
        shares = sample.resampled(held) / sample.resampled(rated)
    return _known(interval(shares, round(rated.sum())))


def _yes(answer: str, side: str) -> bool:
    return answer in (side, "both")


def _known(one: Interval | None) -> Interval:
    if one is None:
        raise ArithmeticError("A method of the ratings has no figure.")
    return one


def _win_rates(methods: Sequence[str], points: Floats, method: int) -> dict[str, WinRate]:
    """Return the win rates of a method against those that it met; points are [m, m]."""
    met = points[method] + points[:, method]
    return {
        methods[i]: WinRate(float(points[method, i] / met[i]), round(met[i]))
        for i in range(len(methods))
        if i != method and met[i]
    }
