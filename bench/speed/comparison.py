"""Other forms of the edit, and peers, compared with the default edit in rounds."""

import copy
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from statistics import median
from typing import Any

from diffusers import StableDiffusionPipeline
from PIL import Image

from baret.options import PAPER, EditOptions
from bench.common.markdown import table
from bench.edits.batch import Batch
from bench.edits.cases import Task
from bench.edits.lockstep import run_together
from bench.edits.methods import with_steps
from bench.edits.model import BatchModel, Cost
from bench.edits.peers.leditspp import LeditsOptions, leditspp
from bench.edits.peers.null_text import null_text
from bench.edits.peers.sdedit import SDEditOptions, sdedit
from bench.speed.plan import Subject
from bench.speed.repeats import MedianRange

DEFAULT = "default edit"


@dataclass(frozen=True)
class Contender:
    """A way of editing a task, and the context that measures its cost."""

    run: Callable[[Task], object]
    measured: Callable[[], AbstractContextManager[Cost]]


@dataclass(frozen=True)
class Entry:
    """The figures of one contender."""

    name: str
    seconds: MedianRange
    ratio: MedianRange  # its seconds divided by the default edit's, round by round
    calls: float  # of the UNet, median
    rows: float  # forward, median
    backward_rows: float  # median


@dataclass(frozen=True)
class Comparison:
    """Contenders compared with the default edit."""

    title: str
    entries: tuple[Entry, ...]

    def page(self) -> str:
        """Return a table and its explanation."""
        head = ("edit", "seconds", "× default edit", "calls", "rows", "backward")
        rows = [
            (e.name, e.seconds, e.ratio, f"{e.calls:g}", f"{e.rows:g}", f"{e.backward_rows:g}")
            for e in self.entries
        ]
        return (
            f"{table(head, rows)}\n\n"
            "In each round, every row edits the same image in turn; the next round takes another "
            "image. Medians of the rounds (lowest … highest); the ratio is the median of the "
            "ratios of each round, and above 1 the default edit is faster. A first round is not "
            "counted."
        )


def measure_ratios(subject: Subject) -> Comparison:
    """Compare the paper's form, no engine, and an edit of a stored inversion."""
    default, paper = (subject.plan.options(form) for form in (EditOptions(), PAPER))
    inverted = {
        task.key: subject.editor.invert(
            Image.fromarray(task.source), task.prompt, default.inversion
        )
        for task in subject.tasks(subject.plan.repeats)
    }
    contenders = {
        DEFAULT: Contender(lambda task: subject.edit(task, default), subject.measured),
        "without the engine": Contender(
            lambda task: run_together(
                subject.model.predictor,
                [subject.editor.editing(Image.fromarray(task.source), task.prompt, default)],
            ),
            subject.model.measured,
        ),
        "the paper's form": Contender(lambda task: subject.edit(task, paper), subject.measured),
        "edit of a stored inversion": Contender(
            lambda task: subject.editor.edit(inverted[task.key], task.prompt, default),
            subject.measured,
        ),
    }
    return Comparison(
        "The paper's form, the engine, and editing again", _entries(run_rounds(subject, contenders))
    )


def measure_peers(subject: Subject) -> Comparison:
    """Compare published methods on the same weights, with the settings of their papers or code."""
    plan, model_in_one_dtype = subject.plan, _in_one_dtype(subject.model)
    default = plan.options(EditOptions())
    ledits, img2img = (with_steps(o, plan.steps) for o in (LeditsOptions(), SDEditOptions()))
    measured = subject.model.measured
    contenders = {
        DEFAULT: Contender(lambda task: subject.edit(task, default), subject.measured),
        "null-text inversion + prompt-to-prompt": Contender(
            lambda task: null_text(subject.model, Batch.of([task]), plan.null_text), measured
        ),
        "LEDITS++ (diffusers)": Contender(
            lambda task: leditspp(model_in_one_dtype, Batch.of([task]), ledits), measured
        ),
        f"img2img (SDEdit, {img2img.strength:.0%} of the steps)": Contender(
            lambda task: sdedit(subject.model, Batch.of([task]), img2img), measured
        ),
    }
    return Comparison("Peers", _entries(run_rounds(subject, contenders)))


def run_rounds(subject: Subject, contenders: Mapping[str, Contender]) -> dict[str, list[Cost]]:
    """Return the costs of every contender in each round.

    A first round, in which kernels are chosen, is left out.

    Args:
        subject: its plan has the number of rounds.
        contenders: by name.
    """
    rounds = subject.tasks(subject.plan.repeats)
    spent: dict[str, list[Cost]] = {name: [] for name in contenders}
    for task in (rounds[0], *rounds):
        for name, contender in contenders.items():
            with contender.measured() as cost:
                contender.run(task)
            spent[name].append(cost)
    return {name: costs[1:] for name, costs in spent.items()}


def _entries(spent: Mapping[str, list[Cost]]) -> tuple[Entry, ...]:
    seconds = {name: [cost.seconds for cost in costs] for name, costs in spent.items()}
    return tuple(
        Entry(
            name,
            MedianRange.of(seconds[name]),
            MedianRange.ratio(seconds[name], seconds[DEFAULT]),
            median(cost.calls for cost in costs),
            median(cost.rows for cost in costs),
            median(cost.backward_rows for cost in costs),
        )
        for name, costs in spent.items()
    )


def _in_one_dtype(model: BatchModel) -> BatchModel:
    """Return the model with its VAE in the UNet's dtype, as diffusers needs; ours is in float32."""
    parts: dict[str, Any] = model.pipeline.components
    vae = copy.deepcopy(parts["vae"]).to(model.model.dtype)
    pipeline = StableDiffusionPipeline(**{**parts, "vae": vae}, requires_safety_checker=False)
    return BatchModel(model.model, pipeline)
