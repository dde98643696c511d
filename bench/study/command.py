"""`python -m bench.study COMMAND`: prepare a blind study, collect answers, report them."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

import bench.study
from bench.common.arguments import positive
from bench.study import answers, folder, pairs, server
from bench.study.analysis import analyse
from bench.study.entering import read_answers
from bench.study.errors import SourceError, StudyError
from bench.study.folder import Study
from bench.study.ratings import read_csv, reveal, write_csv
from bench.study.report import page, write
from bench.study.sheets import FORM, write_sheets
from bench.study.source import Source

SPLITS = ("tuning", "benchmark")
PAIRS = 210
PORT = 8400
REPORT = Path("docs/benchmarks/study.md")
Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def main(given: Sequence[str] | None = None) -> None:
    """Run a command; an expected failure ends it with a short message."""
    arguments = _parser().parse_args(given)
    try:
        arguments.run(arguments)
    except StudyError as error:
        raise SystemExit(f"bench.study: {error}") from error


def prepare(given: argparse.Namespace) -> None:
    """Draw pairs and write the study folder."""
    source = _photographs(given) if given.folder else _small_world(given)
    count = given.pairs or min(PAIRS, pairs.count_possible(source.edits))
    drawn = pairs.draw(source.edits, count, given.seed)
    study = folder.write(given.study, drawn, given.seed, source.about)
    methods = {side for pair in drawn for side in (pair.left, pair.right)}
    edits = {pair.edit.id for pair in drawn}
    print(
        f"{study.folder}: {len(drawn)} pairs of {len(methods)} methods on {len(edits)} edits.\n"
        f"Next:\n  python -m bench.study serve {study.folder}\n"
        f"Keep {study.folder / folder.KEY} from raters: it says which method made which image."
    )


def _photographs(given: argparse.Namespace) -> Source:
    from bench.study.photographs import load_photographs  # noqa: PLC0415 - imports torch

    return load_photographs(given.folder, given.methods)


def _small_world(given: argparse.Namespace) -> Source:
    if not given.methods:
        raise SourceError("With --split, name the methods: --methods baret,ddim,…")
    from bench.study.small_world import Run, load_small_world  # noqa: PLC0415 - imports torch

    return load_small_world(
        Run(
            split=given.split,
            methods=tuple(given.methods),
            work=given.work,
            steps=given.steps,
            model=given.model,
            device=given.device,
            batch=given.batch,
            limit=given.limit,
        )
    )


def rate(given: argparse.Namespace) -> None:
    """Serve the page on which people rate the pairs, on this machine only."""
    study = Study(given.study)
    rater = given.rater and answers.check_rater(given.rater)
    print(f"{server.page_url(given.port, rater)}  (Ctrl-C stops)", flush=True)
    server.serve(study, given.port, rater)


def sheets(given: argparse.Namespace) -> None:
    """Write the pairs as PNG sheets."""
    study = Study(given.study)
    out = given.out or study.folder / folder.SHEETS
    written = write_sheets(study, out, per=given.per, scale=given.scale)
    print(
        f"{len(written)} sheets in {out}. Fill in {out / FORM}, then:\n"
        f"  python -m bench.study enter {study.folder} --rater NAME {out / FORM}"
    )


def enter(given: argparse.Namespace) -> None:
    """Store the answers of a CSV file."""
    study = Study(given.study)
    rater = answers.check_rater(given.rater)
    new = read_answers(study, given.file)
    answers.append(study.answers, rater, new)
    done = len(answers.read(study.answers, rater))
    print(f"{len(new)} answers entered; {rater} has answered {done} of {len(study.pairs)} pairs.")


def export(given: argparse.Namespace) -> None:
    """Write all answers with the methods revealed."""
    ratings = reveal(Study(given.study))
    if given.csv is None:
        write_csv(sys.stdout, ratings)
        return
    with given.csv.open("w", newline="", encoding="utf-8") as file:
        write_csv(file, ratings)
    print(f"{given.csv}: {len(ratings)} answers")


def report(given: argparse.Namespace) -> None:
    """Write the page of results: scores, win rates, shares, agreement of raters.

    Ratings come from study folders, or from CSV files that `export` wrote. Give each study once.
    """
    sources = [reveal(Study(path)) for path in given.studies] + [read_csv(p) for p in given.csv]
    ratings = [
        rating.model_copy(update={"study": number})
        for number, source in enumerate(sources)
        for rating in source
    ]
    analysis = analyse(ratings)
    write(given.out, analysis)
    print(page(analysis))
    print(f"Written: {given.out}")


def _names(text: str) -> list[str]:
    return [name for name in text.split(",") if name]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench.study",
        description=bench.study.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_prepare(commands)

    one = _command(commands, "serve", rate, "serve the page on which people rate the pairs")
    one.add_argument("--port", type=positive, default=PORT, help=f"default {PORT}")
    one.add_argument("--rater", help="who rates; else the page asks")

    one = _command(commands, "sheets", sheets, "write the pairs as PNG sheets, to rate on paper")
    one.add_argument("--per", type=positive, default=6, help="pairs on a sheet, default 6")
    one.add_argument("--scale", type=positive, help="enlargement, default: to about 200 pixels")
    one.add_argument("--out", type=Path, help="default STUDY/sheets")

    one = _command(commands, "enter", enter, "store answers from a CSV file, as sheets made one")
    one.add_argument("--rater", required=True, help="who answered")
    one.add_argument(
        "file",
        metavar="FILE.csv",
        type=Path,
        help="pair,asked,kept,better; left, right, both or neither, better: left, right or equal",
    )

    one = _command(commands, "export", export, "write all answers with the methods, as CSV")
    one.add_argument("--csv", type=Path, help="default: standard output")

    one = commands.add_parser(
        "report", help="write the page of results", description=report.__doc__
    )
    one.add_argument("studies", metavar="STUDY", type=Path, nargs="*", help="study folders")
    one.add_argument(
        "--csv",
        type=Path,
        action="append",
        default=[],
        help="ratings that export wrote; repeatable",
    )
    one.add_argument(
        "--out", type=Path, default=REPORT, help=f"default {REPORT}; .json goes beside"
    )
    one.set_defaults(run=report)
    return parser


def _add_prepare(commands: Commands) -> None:
    one = _command(commands, "prepare", prepare, "draw pairs and write a study folder")
    source = one.add_mutually_exclusive_group(required=True)
    source.add_argument("--split", choices=SPLITS, help="edits of the small world, run here")
    source.add_argument(
        "--folder", type=Path, help="photos/, prompts.json and edits/METHOD/ of your own"
    )
    one.add_argument(
        "--methods", type=_names, help="comma-separated; with --folder, default all of edits/"
    )
    one.add_argument("--pairs", type=positive, help=f"default {PAIRS}, or all if there are fewer")
    one.add_argument("--seed", type=int, default=0, help="of the pairs, their order and sides")
    run = one.add_argument_group("with --split, as in python -m bench.edits")
    run.add_argument("--steps", type=positive, default=20, help="DDIM steps of every method")
    run.add_argument("--model", default="zoo", help="bundled name, folder, file or hub id")
    run.add_argument("--device", default="auto", help="auto, cpu or cuda")
    run.add_argument("--batch", type=positive, default=16, help="images per batch")
    run.add_argument("--limit", type=positive, help="maximum number of edits, over all kinds")
    run.add_argument("--work", type=Path, default=Path("data/bench/edits"), help="finished edits")


def _command(
    commands: Commands, name: str, run: Callable[[argparse.Namespace], None], about: str
) -> argparse.ArgumentParser:
    one = commands.add_parser(name, help=about, description=run.__doc__)
    one.add_argument("study", metavar="STUDY", type=Path, help="the study folder")
    one.set_defaults(run=run)
    return one
