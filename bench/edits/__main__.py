"""`python -m bench.edits`: run all methods on edits with exact answers and write a report.

With --tune it tries every setting of each method instead and stores the best one. Finished edits
are kept in the folder of --work: a run that was stopped resumes there.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from bench.common.device import choose_device
from bench.edits import report, tuned
from bench.edits.batch import Method
from bench.edits.cases import SPLITS, tasks
from bench.edits.evaluation import Bench, Row, evaluate
from bench.edits.methods import METHODS, methods_with_steps
from bench.edits.model import BatchModel
from bench.edits.realism.classifier import NoRealismError, Realism
from zoo.judge import Judge


def main(arguments: list[str] | None = None) -> None:
    """Tune the methods, or run them and write the report."""
    given = _parser().parse_args(arguments)
    names = given.methods.split(",") if given.methods else list(METHODS)
    if unknown := set(names) - set(METHODS):
        sys.exit(f"No such method: {', '.join(sorted(unknown))}; known are {', '.join(METHODS)}.")
    if given.tune and given.split != "tuning":
        sys.exit("Methods are tuned on the tuning split only.")
    if given.threads:
        torch.set_num_threads(given.threads)
    methods = {name: methods_with_steps(given.steps)[name] for name in names}
    device = choose_device(given.device)
    model = BatchModel.from_pretrained(
        given.model, device=device, dtype=getattr(torch, given.dtype)
    )
    try:
        settings = {} if given.tune else tuned.settings(methods, model, given.tuned, given.split)
    except tuned.NotTunedError as error:
        sys.exit(str(error))
    cases = tasks(given.split, model.model.native_size, given.limit)
    realism = _realism(model.model.identity)
    bench = Bench.of(model, Judge.from_pretrained(), cases, given.work, given.batch, realism)
    if given.tune:
        _tune(bench, methods, given.tuned)
    else:
        rows = _run(bench, methods, settings)
        run = report.Run(given.split, rows, settings, bench, given.steps)
        print(report.write(run, given.out))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.edits", description=__doc__)
    parser.add_argument("--split", choices=list(SPLITS), default="tuning")
    parser.add_argument("--tune", action="store_true", help="try every setting and store the best")
    parser.add_argument("--methods", help=f"comma-separated, default all: {', '.join(METHODS)}")
    parser.add_argument("--steps", type=int, default=20, help="DDIM steps of every method")
    parser.add_argument("--model", default="zoo", help="bundled name, folder, file or hub id")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--dtype", default="float32", help="float32, float16 or bfloat16")
    parser.add_argument("--limit", type=int, help="maximum number of edits, spread over all kinds")
    parser.add_argument("--batch", type=int, default=16, help="images per batch")
    parser.add_argument("--threads", type=int, help="CPU threads")
    parser.add_argument("--tuned", type=Path, default=tuned.TUNED, help="file of the best settings")
    parser.add_argument(
        "--work", type=Path, default=Path("data/bench/edits"), help="finished edits"
    )
    parser.add_argument("--out", type=Path, default=Path("docs/benchmarks"), help="the report")
    return parser


def _realism(identity: str) -> Realism | None:
    try:
        return Realism.for_model(identity)
    except NoRealismError as error:
        print(f"Realism is not measured. {error}", file=sys.stderr)
        return None


def _tune(bench: Bench, methods: dict[str, Method[Any]], path: Path) -> None:
    for name, method in methods.items():
        with tqdm(total=len(method.tries) * len(bench.tasks), desc=name, unit="edit") as bar:
            result = tuned.tune(bench, name, method, bar.update)
        tuned.write({name: result}, bench.model.model.identity, path)
        for i, score in enumerate(result["tries"]):
            mark = "→" if i == result["try"] else " "
            figures = " ".join(f"{key} {score[key]:.2f}" for key in ("right", "drawn", "changed"))
            print(f"  {mark} {figures}  {method.tries[i]}")


def _run(
    bench: Bench, methods: dict[str, Method[Any]], settings: dict[str, Any]
) -> dict[str, list[Row]]:
    rows = {}
    for name, options in settings.items():
        with tqdm(total=len(bench.tasks), desc=name, unit="edit") as bar:
            rows[name] = evaluate(bench, name, methods[name], options, bar.update)
    return rows


if __name__ == "__main__":
    main()
