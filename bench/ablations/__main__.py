"""`python -m bench.ablations NAME|all`: measure the effect of each choice in the method.

Finished edits are kept in the folder of --work: a run that was stopped resumes there.
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
from bench.common.device import choose_device
from bench.edits.batch import Method
from bench.edits.cases import SPLITS, tasks
from bench.edits.evaluation import Bench, evaluate
from bench.edits.methods import with_steps
from bench.edits.metrics import capped_psnr
from bench.edits.model import BatchModel
from zoo.judge import Judge

CONVERGENCE = "convergence"
STEPS = "steps"  # the only study whose settings set the number of steps
VARIANT: Method[Variant] = Method("BARET variant", edit_variant, ())


def main(arguments: list[str] | None = None) -> None:
    """Run one study, or all."""
    given = _parser().parse_args(arguments)
    if given.threads:
        torch.set_num_threads(given.threads)
    model = BatchModel.from_pretrained(given.model, device=choose_device(given.device))
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
    parser.add_argument("--limit", type=int, help="maximum number of edits, spread over all kinds")
    parser.add_argument(
        "--steps", type=int, default=20, help="DDIM steps, except in the study of steps"
    )
    parser.add_argument("--model", default="zoo", help="bundled name, folder, file or hub id")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--batch", type=int, default=16, help="images per batch")
    parser.add_argument("--threads", type=int, help="CPU threads")
    parser.add_argument(
        "--work", type=Path, default=Path("data/bench/ablations"), help="finished edits"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("docs/benchmarks/ablations"), help="the pages"
    )
    return parser


def measure(bench: Bench, name: str, study: Study, steps: int) -> report.Measured:
    """Run every setting of a study; a setting that several studies share is run once."""

    def at_steps(variant: Variant) -> Variant:
        changed: Variant = variant if name == STEPS else with_steps(variant, steps)
        return changed

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
    batch = bench.tasks[: bench.batch]
    sources = np.stack([task.source for task in batch])
    through_vae = bench.model.decode(bench.model.encode(sources))
    ceiling = float(np.mean([capped_psnr(a, b) for a, b in zip(through_vae, sources, strict=True)]))
    report.write_convergence(converge(bench.model, batch, steps=steps), ceiling, out)


if __name__ == "__main__":
    main()
