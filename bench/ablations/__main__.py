"""`python -m bench.ablations NAME|all`: what each choice in the method is worth.

What was made before is not made again; stop it whenever, and start it again.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from bench.ablations import report
from bench.ablations.convergence import converge
from bench.ablations.studies import STUDIES, Study
from bench.ablations.variants import Variant, edit_variant
from bench.edits.batch import Method
from bench.edits.cases import SPLITS, tasks
from bench.edits.methods import with_steps
from bench.edits.metrics import psnr
from bench.edits.model import BatchModel
from bench.edits.run import Bench, evaluate
from zoo.judge import Judge

CONVERGENCE = "convergence"
STEPS = "steps"  # the one study whose settings say how many steps
VARIANT: Method[Variant] = Method("BARET, varied", edit_variant, ())


def main(arguments: list[str] | None = None) -> None:
    """Answer one question, or all."""
    given = _parser().parse_args(arguments)
    if given.threads:
        torch.set_num_threads(given.threads)
    device = given.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    model = BatchModel.from_pretrained(given.model, device=device)
    cases = tasks(given.split, model.model.native_size, given.limit)
    bench = Bench.of(model, Judge.from_pretrained(), cases, given.work, given.batch)
    for name in [CONVERGENCE, *STUDIES] if given.name == "all" else [given.name]:
        if name == CONVERGENCE:
            _converge(bench, given.steps, given.out)
        else:
            measured = measure(bench, name, STUDIES[name], given.steps)
            report.write(name, STUDIES[name], measured, given.out)
        print(given.out / f"{name}.md")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.ablations", description=__doc__)
    parser.add_argument("name", choices=["all", CONVERGENCE, *STUDIES])
    parser.add_argument("--split", choices=list(SPLITS), default="tuning")
    parser.add_argument("--limit", type=int, help="as many edits, spread over the kinds")
    parser.add_argument("--steps", type=int, default=20, help="DDIM steps, where not in question")
    parser.add_argument("--model", default="zoo", help="as for baret")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--batch", type=int, default=16, help="pictures at a time")
    parser.add_argument("--threads", type=int, help="of the CPU")
    parser.add_argument("--work", type=Path, default=Path("data/bench/ablations"))
    parser.add_argument("--out", type=Path, default=Path("docs/benchmarks/ablations"))
    return parser


def measure(bench: Bench, name: str, study: Study, steps: int) -> report.Measured:
    """Run every setting of a study; settings that several studies share are run once."""

    def at_steps(variant: Variant) -> Variant:
        found: Variant = variant if name == STEPS else with_steps(variant, steps)
        return found

    points = sum(len(series) for series in study.series.values())
    with tqdm(total=points * len(bench.tasks), desc=name, unit="edit") as bar:
        return {
            series: [
                (x, evaluate(bench, "variant", VARIANT, at_steps(variant), bar.update))
                for x, variant in settings
            ]
            for series, settings in study.series.items()
        }


def _converge(bench: Bench, steps: int, out: Path) -> None:
    shown = bench.tasks[: bench.batch]
    sources = np.stack([task.source for task in shown])
    back = bench.model.decode(bench.model.encode(sources))
    ceiling = float(np.mean([psnr(a, b) for a, b in zip(back, sources, strict=True)]))
    report.write_convergence(converge(bench.model, shown, steps=steps), ceiling, out)


if __name__ == "__main__":
    main()
