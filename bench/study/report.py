"""The page of a study's results."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.common.files import write_report
from bench.common.markdown import table
from bench.common.statistics import RESAMPLES, Interval
from bench.study.analysis import Analysis, MethodFigures

TITLES = {
    "asked": "Which did what was asked?",
    "kept": "Which kept the rest?",
    "better": "Which looks better?",
}
LEGEND = """\
*Asked*, *kept*: in how many of its ratings a method did what was asked, and kept the rest ("both"
counts for both edits, "neither" for neither); *both*: in how many it did both. *Score*:
Bradley–Terry scores of the three questions, with a mean of 0. A method that is 1 above another one
is preferred to it with odds of e to 1, in 73 % of comparisons. "Both", "neither" and "equal" count
as half a win for each side. Each method is given one virtual tie, so that one that never wins has a
score too. In parentheses: 95 % intervals, bootstrapped over the edits ({resamples} resamples)."""


def write(path: Path, analysis: Analysis) -> None:
    """Write the page at a path that ends in .md, and the figures in .json next to it."""
    write_report(path.with_suffix(""), _rounded(asdict(analysis)), page(analysis))


def page(analysis: Analysis) -> str:
    """Format the page."""
    parts = ["# Blind comparison in pairs", _counts(analysis)]
    if len(analysis.groups) > 1:
        parts.append(
            "Some methods were never compared, neither directly nor through others. Their scores "
            "are **not comparable**, so each group of methods has its own table."
        )
    parts += [_summary(analysis, group) for group in analysis.groups]
    parts.append(LEGEND.format(resamples=RESAMPLES))
    for question, title in TITLES.items():
        parts += [f"## {title}", _win_rates(analysis, question)]
    parts += ["## Agreement of raters", _agreement(analysis)]
    return "\n\n".join(parts) + "\n"


def _counts(analysis: Analysis) -> str:
    ratings = sum(analysis.raters.values())
    by_rater = ", ".join(f"{name} {count}" for name, count in analysis.raters.items())
    return (
        f"{_number(ratings, 'rating')} of {_number(analysis.pairs, 'pair')} on "
        f"{_number(analysis.edits, 'edit')} by {_number(len(analysis.raters), 'rater')} "
        f"({by_rater}). Raters saw the photo, the sentence and two edits in random order, without "
        "the names of the methods."
    )


def _summary(analysis: Analysis, group: Sequence[str]) -> str:
    def score(name: str) -> float:
        return -analysis.methods[name].scores["better"].mean

    head = ["method", "ratings", "asked", "kept", "both", *(f"score: {q}" for q in TITLES)]
    return table(head, [_method_row(n, analysis.methods[n]) for n in sorted(group, key=score)])


def _method_row(name: str, figures: MethodFigures) -> list[object]:
    shares = (figures.asked, figures.kept, figures.both)
    scores = (figures.scores[question] for question in TITLES)
    return [name, figures.ratings, *map(_percent, shares), *map(_signed, scores)]


def _win_rates(analysis: Analysis, question: str) -> str:
    """Format how often the row's method was preferred to the column's."""

    def score(name: str) -> float:
        return -analysis.methods[name].scores[question].mean

    names = [name for group in analysis.groups for name in sorted(group, key=score)]
    rows = []
    for name in names:
        wins = analysis.methods[name].wins[question]
        cells = [
            f"{wins[other].share:.0%} of {wins[other].count}" if other in wins else "—"
            for other in names
        ]
        rows.append([f"**{name}**", *cells])
    return table(["preferred to →", *names], rows)


def _agreement(analysis: Analysis) -> str:
    if not any(one.pairs for one in analysis.agreement.values()):
        return "No pair was answered by more than one rater."
    rows = [
        [
            TITLES[question],
            one.pairs,
            _percent(one.same) if one.same else "—",
            _signed(one.alpha) if one.alpha else "— (all answers are the same)",
        ]
        for question, one in analysis.agreement.items()
    ]
    return (
        "Of the pairs that several raters answered: the share of answers that another rater gave "
        "too, and Krippendorff's α for nominal data (1 is full agreement, 0 is chance).\n\n"
    ) + table(["question", "pairs", "same answer", "α"], rows)


def _percent(one: Interval) -> str:
    return f"{one.mean:.0%} ({one.low:.0%} … {one.high:.0%})"


def _signed(one: Interval) -> str:
    mean, low, high = (round(value, 2) + 0.0 for value in (one.mean, one.low, one.high))  # no −0
    return f"{mean:+.2f} ({low:+.2f} … {high:+.2f})"


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}" + ("" if count == 1 else "s")


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 5)
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_rounded(one) for one in value]
    return value
