"""`python -m bench.edits.calibrate RATINGS.csv`: hold *right* against people's ratings.

The rated edits must be stored in the folder of --work; nothing is run.
"""

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bench.common.markdown import table
from bench.common.statistics import Interval
from bench.edits import tuned
from bench.edits.calibrate.agreement import agreement
from bench.edits.calibrate.ratings import Image, RatingsError, judgements, read_ratings
from bench.edits.calibrate.sweep import FOLDS, GRID, Sweep, sweep
from bench.edits.cases import SPLITS, tasks
from bench.edits.criteria import CRITERIA
from bench.edits.evaluation import Bench, MissingResultError, Row, evaluate_stored
from bench.edits.methods import METHODS, methods_with_steps
from bench.edits.model import BatchModel
from bench.edits.realism.classifier import NoRealismError, Realism
from zoo.judge import Judge


def main(arguments: list[str] | None = None) -> None:
    """Print how *right* and *joint* agree with the ratings, and which limits agree best."""
    given = _parser().parse_args(arguments)
    try:
        ratings = [rating for path in given.ratings for rating in read_ratings(path)]
        rows = rated_rows({image for one in ratings for image in one.images}, given)
    except (RatingsError, MissingResultError, tuned.NotTunedError) as error:
        sys.exit(str(error))
    verdicts = {
        "right": {image: row.right for image, row in rows.items()},
        "joint": {image: row.quality.joint for image, row in rows.items()},
    }
    single = judgements(ratings)
    edits = len({image[0] for image, _ in single})
    print(f"{len(ratings)} ratings of pairs, {len(rows)} images, {edits} edits.\n")
    print(_agreements({name: vars(agreement(ratings, own)) for name, own in verdicts.items()}))
    print(f"\n{_swept(sweep(single, rows))}")


def rated_rows(images: Iterable[Image], given: argparse.Namespace) -> dict[Image, Row]:
    """Return the measurements of the images, from the stored results of their methods.

    Raises:
        RatingsError: a method or an edit is unknown.
        MissingResultError: an image has not been made.
        NotTunedError: nobody knows which setting of a method was rated.
    """
    by_method = defaultdict[str, set[int]](set)
    for edit, name in images:
        by_method[name].add(edit)
    if unknown := set(by_method) - set(METHODS):
        raise RatingsError(f"No such method: {', '.join(sorted(unknown))}.")
    model = BatchModel.from_pretrained(given.model)
    cases = {case.index: case for case in tasks(given.split, model.model.native_size)}
    if unknown_edits := set().union(*by_method.values()) - set(cases):
        raise RatingsError(f"The {given.split} split has no edit {min(unknown_edits)}.")
    methods = {name: methods_with_steps(given.steps)[name] for name in by_method}
    settings = tuned.settings(methods, model, given.tuned, given.split)
    judge, realism = Judge.from_pretrained(), _realism(model.model.identity)
    rows = {}
    for name, edits in by_method.items():
        own = tuple(cases[edit] for edit in sorted(edits))
        bench = Bench.of(model, judge, own, given.work, 1, realism)
        for row in evaluate_stored(bench, name, methods[name], settings[name]):
            rows[row.task.index, name] = row
    return rows


def _realism(identity: str) -> Realism | None:
    try:
        return Realism.for_model(identity)
    except NoRealismError as error:
        print(f"Realism is not measured. {error}", file=sys.stderr)
        return None


def _agreements(found: dict[str, dict[str, Interval | None]]) -> str:
    heads = {
        "agree": "agrees with “did what was asked and kept the rest”",
        "passed": "of good images passed",
        "refused": "of other images refused",
        "better": "looks better where one of a pair passes",
    }
    return table(
        ["measure", *heads.values()],
        [[name, *(_share(own[key]) for key in heads)] for name, own in found.items()],
    )


def _share(interval: Interval | None) -> str:
    if interval is None:
        return "–"
    return f"{interval.mean:.2f} ({interval.low:.2f} … {interval.high:.2f}; {interval.count} edits)"


def _swept(found: Sweep) -> str:
    limits: list[list[Any]] = [
        [
            name,
            getattr(CRITERIA, name),
            getattr(found.best, name),
            " ".join(f"{getattr(one, name):g}" for one in found.chosen),
        ]
        for name in GRID
    ]
    return "\n\n".join(
        [
            "Mean share of good images passed and of others refused: "
            f"{found.current:.3f} with today's limits; {found.best_score:.3f} with the best "
            f"limits, chosen on the same ratings; {found.held_out_score:.3f} with limits that "
            f"were chosen on other edits ({FOLDS} folds). Prefer today's limits unless the last "
            "one is higher and the folds agree.",
            table(["limit", "today", "best", "chosen in each fold"], limits),
        ]
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.edits.calibrate", description=__doc__)
    parser.add_argument("ratings", type=Path, nargs="+", metavar="RATINGS.csv")
    parser.add_argument("--split", choices=list(SPLITS), default="tuning")
    parser.add_argument("--steps", type=int, default=20, help="DDIM steps of the rated edits")
    parser.add_argument("--model", default="zoo", help="bundled name, folder, file or hub id")
    parser.add_argument("--tuned", type=Path, default=tuned.TUNED, help="file of the best settings")
    parser.add_argument(
        "--work", type=Path, default=Path("data/bench/edits"), help="finished edits"
    )
    return parser


if __name__ == "__main__":
    main()
