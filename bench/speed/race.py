"""Forms of an edit, and peers, against the default edit: everyone once a round, in turn."""

import copy
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from statistics import median
from typing import Any

from diffusers import StableDiffusionPipeline
from PIL import Image

from baret.options import PAPER, EditOptions
from bench.edits.batch import Batch
from bench.edits.cases import Task
from bench.edits.lockstep import run_together
from bench.edits.methods import with_steps
from bench.edits.model import BatchModel, Cost
from bench.edits.peers.leditspp import LeditsOptions, leditspp
from bench.edits.peers.null_text import null_text
from bench.edits.peers.sdedit import SDEditOptions, sdedit
from bench.speed.plan import Subject
from bench.speed.spread import Spread, table

DEFAULT = "default edit"


@dataclass(frozen=True)
class Contender:
    """Someone who edits a task, and what counts the calls meanwhile."""

    run: Callable[[Task], object]
    measured: Callable[[], AbstractContextManager[Cost]]


@dataclass(frozen=True)
class Entry:
    """One contender."""

    name: str
    seconds: Spread
    ratio: Spread  # its seconds to the default edit's, round by round
    calls: float  # of the UNet, median
    rows: float  # forward, median
    backward_rows: float  # median


@dataclass(frozen=True)
class Race:
    """Contenders side by side."""

    title: str
    entries: tuple[Entry, ...]

    def page(self) -> str:
        """A table, and what it says."""
        head = ("edit", "seconds", "× default edit", "calls", "rows", "backward")
        rows = [
            (e.name, e.seconds, e.ratio, f"{e.calls:g}", f"{e.rows:g}", f"{e.backward_rows:g}")
            for e in self.entries
        ]
        return (
            f"{table(head, rows)}\n\n"
            "One picture at a time, another one each round; in a round everyone edits the same one "
            "in turn. Medians of the rounds (lowest … highest), the ratio that of the rounds' "
            "ratios; above 1 the default edit is faster. A round before them is not counted."
        )


def measure_ratios(subject: Subject) -> Race:
    """The paper's form, no engine between, and an edit whose inversion is there already."""
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
        "edit of a kept inversion": Contender(
            lambda task: subject.editor.edit(inverted[task.key], task.prompt, default),
            subject.measured,
        ),
    }
    return Race(
        "The paper's form, the engine, and editing again", _entries(race(subject, contenders))
    )


def measure_peers(subject: Subject) -> Race:
    """Published methods on the same weights, with the settings of their papers or code."""
    plan, whole = subject.plan, _in_one_dtype(subject.model)
    default = plan.options(EditOptions())
    ledits, img2img = (with_steps(o, plan.steps) for o in (LeditsOptions(), SDEditOptions()))
    measured = subject.model.measured
    contenders = {
        DEFAULT: Contender(lambda task: subject.edit(task, default), subject.measured),
        "null-text inversion + prompt-to-prompt": Contender(
            lambda task: null_text(subject.model, Batch.of([task]), plan.null_text), measured
        ),
        "LEDITS++ (diffusers)": Contender(
            lambda task: leditspp(whole, Batch.of([task]), ledits), measured
        ),
        f"img2img (SDEdit, {img2img.strength:.0%} of the steps)": Contender(
            lambda task: sdedit(subject.model, Batch.of([task]), img2img), measured
        ),
    }
    return Race("Peers", _entries(race(subject, contenders)))


def race(subject: Subject, contenders: Mapping[str, Contender]) -> dict[str, list[Cost]]:
    """What everyone spent in each round; the first one, in which kernels are chosen, is left out.

    Args:
        subject: whose plan says how many rounds.
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
            Spread.of(seconds[name]),
            Spread.ratio(seconds[name], seconds[DEFAULT]),
            median(cost.calls for cost in costs),
            median(cost.rows for cost in costs),
            median(cost.backward_rows for cost in costs),
        )
        for name, costs in spent.items()
    )


def _in_one_dtype(model: BatchModel) -> BatchModel:
    """With a VAE in the UNet's dtype, as diffusers' own pipeline wants it; ours is in float32."""
    parts: dict[str, Any] = model.pipeline.components
    vae = copy.deepcopy(parts["vae"]).to(model.model.dtype)
    pipeline = StableDiffusionPipeline(**{**parts, "vae": vae}, requires_safety_checker=False)
    return BatchModel(model.model, pipeline)
