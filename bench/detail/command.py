"""`python -m bench.detail --model NAME_OR_FOLDER`.

Edits pictures of the small world drawn at several times the model's own size, in every form, and
writes docs/benchmarks/detail-MODEL.md, .json and .png.
"""

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from baret import Editor
from bench.common.arguments import positive, positive_list
from bench.common.device import choose_device, device_name
from bench.detail import report
from bench.detail.cost import costs
from bench.detail.run import Case, make_cases, measure
from bench.edits.cases import SPLITS

MAX_DRAWN = 6  # cases of the sheet
MEGAPIXELS = (2, 12, 50)


def main(given: Sequence[str] | None = None) -> None:
    """Run the benchmark and write its report."""
    arguments = _parser().parse_args(given)
    words = ["python", "-m", "bench.detail", *(sys.argv[1:] if given is None else given)]
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    device = choose_device(arguments.device)
    editor = Editor.from_pretrained(arguments.model, device=device, dtype=arguments.dtype)
    cases = list(make_cases(editor, arguments.split, arguments.factors, arguments.limit))
    name = Path(arguments.model).name
    conditions = report.Conditions(
        model=name,
        identity=editor.model.identity,
        native_size=editor.model.native_size,
        machine=device_name(editor.model.device),
        dtype=editor.model.dtype_name,
        split=arguments.split,
        edits=len(cases) // len(arguments.factors),
        command=shlex.join(words),
    )
    path = arguments.out / f"detail-{name}"
    report.draw(_drawn(cases), path.with_name(path.name + ".png"))
    rows = measure(cases, arguments.processes)
    spent = [] if arguments.no_cost else costs(arguments.model, device, arguments.dtype, MEGAPIXELS)
    report.write(path, conditions, rows, spent)
    print(f"Written: {path}.md")


def _drawn(cases: Sequence[Case]) -> list[Case]:
    """Return cases for the sheet, spread over all."""
    count = min(MAX_DRAWN, len(cases))
    return [cases[i * len(cases) // count] for i in range(count)]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.detail", description=__doc__)
    parser.add_argument("--model", default="zoo", help="bundled name, folder, file or hub id")
    parser.add_argument("--split", choices=list(SPLITS), default="tuning")
    parser.add_argument("--factors", type=positive_list, default=(2, 4, 8), help="default 2,4,8")
    parser.add_argument("--limit", type=positive, default=12, help="edits at each size")
    parser.add_argument("--no-cost", action="store_true", help="do not measure seconds and memory")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--dtype", default="float32", help="float32, float16 or bfloat16")
    parser.add_argument("--threads", type=positive, help="CPU threads")
    parser.add_argument("--processes", type=positive, default=1, help="that measure")
    parser.add_argument("--out", type=Path, default=Path("docs/benchmarks"), help="of the report")
    return parser
