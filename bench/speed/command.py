"""`python -m bench.speed [--model zoo|sd15-random|NAME_OR_FOLDER] [--device cuda] …`.

Measures one model on one machine and writes speed-MODEL-DEVICE.md and .json (with the dtype in the
name if --dtype is given) into the folder of --out. Both are written after every section, so a run
that is stopped keeps its finished sections. Everything that is compared is measured in turn in the
same run.

`sd15-random` and `sdxl-random` are the architectures of Stable Diffusion 1.5 and XL with random
weights: as large and as slow as the real ones, without a download.
"""

import argparse
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from baret import BaretError
from baret.options import InversionOptions
from bench.common.arguments import positive, positive_list
from bench.common.device import choose_device
from bench.edits.model import BatchModel
from bench.speed import report
from bench.speed.comparison import measure_peers, measure_ratios
from bench.speed.concurrency import measure_concurrency
from bench.speed.contention import measure_contention
from bench.speed.machine import Machine
from bench.speed.plan import Plan, Subject
from bench.speed.random_weights import SD15, SDXL, random_folder
from bench.speed.stages import measure_stages

RANDOM = {"sd15-random": SD15, "sdxl-random": SDXL}
SECTIONS: dict[str, Callable[[Subject], report.Section]] = {
    "stages": measure_stages,
    "ratios": measure_ratios,
    "together": measure_concurrency,
    "fairness": measure_contention,
    "peers": measure_peers,
}
WORK = Path("data/bench/speed")
# Quick figures are not results, so they are not written into docs/ by default.
QUICK = {"steps": 4, "repeats": 1, "at_once": (1, 2), "out": WORK}


def main(given: Sequence[str] | None = None) -> None:
    """Run the command; an expected failure ends it with a one-line message."""
    given = sys.argv[1:] if given is None else given
    parser = _parser()
    if parser.parse_args(given).quick:
        parser.set_defaults(**QUICK)
    arguments = parser.parse_args(given)
    try:
        measure(arguments, shlex.join(["python", "-m", "bench.speed", *given]))
    except BaretError as error:
        raise SystemExit(f"bench.speed: {error}") from error


def measure(arguments: argparse.Namespace, command: str) -> None:
    """Measure section by section, and write the report after each.

    Raises:
        BaretError: the model cannot be loaded or does not fit on the device.
    """
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    subject = _subject(arguments)
    model, plan = subject.model.model, subject.plan
    conditions = report.Conditions(
        command=command,
        model=arguments.model,
        identity=model.identity,
        device=model.device.type,
        dtype=str(model.dtype).removeprefix("torch."),
        size=model.native_size,
        steps=plan.steps,
        inner_steps=plan.inner_steps,
        repeats=plan.repeats,
        machine=subject.machine,
    )
    name = f"speed-{Path(arguments.model).name}-{conditions.device}"
    if arguments.dtype != "auto":
        name += f"-{conditions.dtype}"
    measured: dict[str, report.Section] = {}
    for section in arguments.sections:
        measured[section] = SECTIONS[section](subject)
        report.write(arguments.out / name, conditions, measured)
        print(f"## {measured[section].title}\n\n{measured[section].page()}\n", flush=True)
    print(f"Written: {arguments.out / name}.md")


def _subject(arguments: argparse.Namespace) -> Subject:
    model = _load(arguments)
    if arguments.size:
        # The editor works at about this area, whatever the size of the image.
        model.model.native_size = arguments.size
    inner_steps = arguments.inner_steps
    if inner_steps is None and arguments.model in RANDOM:
        inner_steps = InversionOptions().inner_steps  # random weights never reach a stopping rule
    plan = Plan(arguments.steps, inner_steps, arguments.repeats, arguments.at_once)
    machine = Machine.of(model.model.device, model.model.dtype)
    return Subject.of(model, machine, plan)


def _load(arguments: argparse.Namespace) -> BatchModel:
    device, dtype = choose_device(arguments.device), arguments.dtype
    if dtype == "auto":
        dtype = "float16" if device.startswith("cuda") else "float32"
    name = arguments.model
    if name in RANDOM:
        name = str(random_folder(arguments.work / name, RANDOM[name]))
    return BatchModel.from_pretrained(name, device=device, dtype=getattr(torch, dtype))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench.speed",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--model", default="zoo", help=f"{', '.join(RANDOM)}, bundled name, folder, file or hub id"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument(
        "--dtype", default="auto", choices=("auto", "float32", "float16", "bfloat16")
    )
    parser.add_argument(
        "--size", type=_size, help="pixels on a side; default: the model's native size"
    )
    parser.add_argument(
        "--steps", type=positive, default=Plan.steps, help="DDIM steps of every method"
    )
    parser.add_argument("--inner-steps", type=positive, help="exact number, never stopped early")
    parser.add_argument(
        "--at-once",
        type=positive_list,
        default=(1, 2, 4, 8, 16),
        help="numbers of concurrent edits, default 1,2,4,8,16",
    )
    parser.add_argument("--repeats", type=positive, default=3, help="of every measurement")
    parser.add_argument("--threads", type=positive, help="CPU threads")
    parser.add_argument(
        "--sections", type=_sections, default=tuple(SECTIONS), help=f"default: {','.join(SECTIONS)}"
    )
    parser.add_argument("--quick", action="store_true", help="about a minute on a CPU")
    parser.add_argument("--work", type=Path, default=WORK, help="folder of the random weights")
    parser.add_argument(
        "--out", type=Path, default=Path("docs/benchmarks"), help="folder of the report"
    )
    return parser


def _size(text: str) -> int:
    number = positive(text)
    if number % 64:  # every model's VAE and UNet, and diffusers' LEDITS++, accept these
        raise argparse.ArgumentTypeError("must be a multiple of 64")
    return number


def _sections(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    if unknown := set(names) - set(SECTIONS):
        raise argparse.ArgumentTypeError(f"no section {', '.join(sorted(unknown))}")
    return names
