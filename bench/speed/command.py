"""`python -m bench.speed [--model zoo|sd15-random|NAME_OR_FOLDER] [--device cuda] …`.

Measures one model on one machine and writes speed-MODEL-DEVICE.md and .json (with the dtype in the
name where one is asked for) into the folder of --out, again after every section: what is measured
stays when a run is stopped. Everything that is compared is measured in turn in the same run.

`sd15-random` is Stable Diffusion 1.5's architecture with random weights, made on the spot: as large
and as slow, without a download.
"""

import argparse
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from baret import BaretError
from baret.options import InversionOptions
from bench.common.arguments import positive
from bench.edits.model import BatchModel
from bench.speed import report
from bench.speed.fairness import measure_fairness
from bench.speed.machine import Machine
from bench.speed.plan import Plan, Subject
from bench.speed.race import measure_peers, measure_ratios
from bench.speed.random_weights import random_folder
from bench.speed.stages import measure_stages
from bench.speed.together import measure_together

RANDOM = "sd15-random"
SECTIONS: dict[str, Callable[[Subject], report.Section]] = {
    "stages": measure_stages,
    "ratios": measure_ratios,
    "together": measure_together,
    "fairness": measure_fairness,
    "peers": measure_peers,
}
WORK = Path("data/bench/speed")
# A miniature is no result: it stays out of the docs unless it is sent there.
QUICK = {"steps": 4, "repeats": 1, "at_once": (1, 2), "out": WORK}


def main(given: Sequence[str] | None = None) -> None:
    """Run the command; an expected failure ends it with one line that says what to do."""
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
    """Measure section by section, write after each.

    Raises:
        BaretError: the model cannot be loaded, or the device has no room.
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
        # The editor works at about this area, whatever it is sent.
        model.model.native_size = arguments.size
    inner_steps = arguments.inner_steps
    if inner_steps is None and arguments.model == RANDOM:
        inner_steps = InversionOptions().inner_steps  # no rule would ever stop it
    plan = Plan(arguments.steps, inner_steps, arguments.repeats, arguments.at_once)
    machine = Machine.of(model.model.device, model.model.dtype)
    return Subject.of(model, machine, plan)


def _load(arguments: argparse.Namespace) -> BatchModel:
    device, dtype = arguments.device, arguments.dtype
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if dtype == "auto":
        dtype = "float16" if device.startswith("cuda") else "float32"
    name = arguments.model
    if name == RANDOM:
        name = str(random_folder(arguments.work / RANDOM))
    return BatchModel.from_pretrained(name, device=device, dtype=getattr(torch, dtype))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench.speed",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--model", default="zoo", help=f"{RANDOM}, or as for baret")
    parser.add_argument("--device", default="auto")
    parser.add_argument(
        "--dtype", default="auto", choices=("auto", "float32", "float16", "bfloat16")
    )
    parser.add_argument("--size", type=_size, help="pixels on a side; the model's own")
    parser.add_argument("--steps", type=positive, default=50, help="T, of every method")
    parser.add_argument("--inner-steps", type=positive, help="exactly so many, never stopped early")
    parser.add_argument("--at-once", type=_numbers, default=(1, 2, 4, 8, 16), help="1,2,4,8,16")
    parser.add_argument("--repeats", type=positive, default=3)
    parser.add_argument("--threads", type=positive, help="of the CPU")
    parser.add_argument(
        "--sections", type=_sections, default=tuple(SECTIONS), help=",".join(SECTIONS)
    )
    parser.add_argument("--quick", action="store_true", help="about a minute on a CPU")
    parser.add_argument("--work", type=Path, default=WORK, help="random weights are kept here")
    parser.add_argument("--out", type=Path, default=Path("docs/benchmarks"))
    return parser


def _size(text: str) -> int:
    number = positive(text)
    if number % 64:  # what every model's VAE and UNet, and diffusers' LEDITS++, can divide
        raise argparse.ArgumentTypeError("must be a multiple of 64")
    return number


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(positive(part) for part in text.split(","))


def _sections(text: str) -> tuple[str, ...]:
    asked = tuple(text.split(","))
    if unknown := set(asked) - set(SECTIONS):
        raise argparse.ArgumentTypeError(f"no section {', '.join(sorted(unknown))}")
    return asked
