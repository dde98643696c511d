"""`python -m bench.edits`: tune the methods, run them on edits with exact answers, write it down.

What was made before is not made again (see --work); stop it whenever, and start it again.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from bench.edits import report, tuned
from bench.edits.batch import Method
from bench.edits.cases import SPLITS, tasks
from bench.edits.methods import METHODS, at
from bench.edits.model import BatchModel
from bench.edits.run import Bench, Row, evaluate
from zoo.judge import Judge


def main(arguments: list[str] | None = None) -> None:
    """Tune or run."""
    given = _parser().parse_args(arguments)
    names = given.methods.split(",") if given.methods else list(METHODS)
    if unknown := set(names) - set(METHODS):
        sys.exit(f"There is no method {', '.join(sorted(unknown))}; known: {', '.join(METHODS)}.")
    if given.tune and given.split != "tuning":
        sys.exit("Methods are tuned on the tuning split alone.")
    if given.threads:
        torch.set_num_threads(given.threads)
    methods = {name: at(given.steps)[name] for name in names}
    device = given.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    model = BatchModel.from_pretrained(
        given.model, device=device, dtype=getattr(torch, given.dtype)
    )
    try:
        settings = {} if given.tune else _settings(methods, model, given)
    except tuned.NotTunedError as error:
        sys.exit(str(error))
    cases = tasks(given.split, model.model.native_size, given.limit)
    bench = Bench.of(model, Judge.from_pretrained(), cases, given.work, given.batch)
    if given.tune:
        _tune(bench, methods, given.tuned)
    else:
        rows = _run(bench, methods, settings)
        run = report.Run(given.split, rows, settings, bench, given.steps)
        print(report.write(run, given.out))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.edits", description=__doc__)
    parser.add_argument("--split", choices=list(SPLITS), default="tuning")
    parser.add_argument("--tune", action="store_true", help="try every setting, keep the best")
    parser.add_argument("--methods", help=f"some of {', '.join(METHODS)}; all")
    parser.add_argument("--steps", type=int, default=20, help="DDIM steps of every method")
    parser.add_argument("--model", default="zoo", help="as for baret")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--limit", type=int, help="as many edits, spread over the kinds")
    parser.add_argument("--batch", type=int, default=16, help="pictures at a time")
    parser.add_argument("--threads", type=int, help="of the CPU")
    parser.add_argument("--tuned", type=Path, default=tuned.TUNED, help="the best settings")
    parser.add_argument("--work", type=Path, default=Path("data/bench/edits"))
    parser.add_argument("--out", type=Path, default=Path("docs/benchmarks"))
    return parser


def _settings(
    methods: dict[str, Method[Any]], model: BatchModel, given: argparse.Namespace
) -> dict[str, Any]:
    """Every method's best setting; on the tuning split an untuned method takes its first."""
    found = {}
    for name, method in methods.items():
        try:
            found[name] = tuned.best(name, method, model.model.identity, given.tuned)
        except tuned.NotTunedError:
            if given.split != "tuning":
                raise
            found[name] = method.tries[0]
    return found


def _tune(bench: Bench, methods: dict[str, Method[Any]], path: Path) -> None:
    for name, method in methods.items():
        with tqdm(total=len(method.tries) * len(bench.tasks), desc=name, unit="edit") as bar:
            found = tuned.tune(bench, name, method, bar.update)
        tuned.write({name: found}, bench.model.model.identity, path)
        for place, one in enumerate(found["tries"]):
            mark = "→" if place == found["try"] else " "
            figures = " ".join(f"{key} {one[key]:.2f}" for key in ("joint", "changed", "psnr"))
            print(f"  {mark} {figures}  {method.tries[place]}")


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
