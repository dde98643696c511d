"""What is measured: the options, the model and the images."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import cycle, islice
from typing import Self

from PIL import Image

from baret.editor import Editor
from baret.engine.budget import measure
from baret.engine.engine import Call
from baret.options import EditOptions, InversionOptions
from baret.progress import OnProgress
from baret.result import EditResult
from bench.edits.cases import Task, tasks
from bench.edits.methods import with_steps
from bench.edits.model import BatchModel, Cost
from bench.edits.peers.null_text import NullTextOptions
from bench.speed.machine import Machine, synchronize


@dataclass(frozen=True)
class Plan:
    """The settings that all sections share."""

    steps: int = InversionOptions().num_inference_steps  # T, of every method
    inner_steps: int | None = None  # exact, never stopped early; None: each method's rules
    repeats: int = 3
    at_once: tuple[int, ...] = (1, 2, 4, 8, 16)  # edits

    def options(self, form: EditOptions) -> EditOptions:
        """Return edit options with this plan's steps, in the product's form or the paper's."""
        inversion = replace(form.inversion, num_inference_steps=self.steps)
        if self.inner_steps is not None:
            paper = inversion.paper and replace(
                inversion.paper, inner_steps=self.inner_steps, stop_loss=0.0, stop_loss_growth=0.0
            )
            inversion = replace(inversion, inner_steps=self.inner_steps, paper=paper)
        return replace(form, inversion=inversion)

    @property
    def null_text(self) -> NullTextOptions:
        """Null-text inversion as published, with this plan's steps."""
        published = NullTextOptions()
        tuning = published.tuning
        if self.inner_steps is not None:
            tuning = replace(
                tuning, inner_steps=self.inner_steps, stop_loss=0.0, stop_loss_growth=0.0
            )
        options: NullTextOptions = with_steps(replace(published, tuning=tuning), self.steps)
        return options


class CallCounter:
    """Counts the calls that an editor's engine reports; hooks would miss replayed CUDA graphs."""

    def __init__(self) -> None:
        """Start at zero."""
        self.cost = Cost()

    def count(self, call: Call) -> None:
        """Add a call; this is the editor's `on_call`."""
        self.cost.calls += 1
        self.cost.rows += call.rows
        self.cost.backward_rows += call.rows if call.gradient else 0


@dataclass(frozen=True)
class Subject:
    """The model and editor under test, with the plan."""

    model: BatchModel
    editor: Editor
    counter: CallCounter  # of the editor's calls
    machine: Machine
    plan: Plan

    @classmethod
    def of(cls, model: BatchModel, machine: Machine, plan: Plan) -> Self:
        """Make an editor on the model whose calls are counted."""
        counter = CallCounter()
        budget = measure(model.model)
        editor = Editor(model.model, budget=budget, on_call=counter.count)
        return cls(model, editor, counter, machine, plan)

    @contextmanager
    def measured(self) -> Iterator[Cost]:
        """Measure the cost of the editor's edits inside the block."""
        self.counter.cost = cost = Cost()
        started = time.perf_counter()
        yield cost
        synchronize(self.model.model.device)
        cost.seconds = time.perf_counter() - started

    def edit(
        self, task: Task, options: EditOptions, on_progress: OnProgress | None = None
    ) -> EditResult:
        """Run one edit from the image to the result."""
        photo = Image.fromarray(task.source)
        return self.editor.edit(photo, task.prompt, options, on_progress=on_progress)

    def tasks(self, count: int) -> tuple[Task, ...]:
        """Return images of all kinds with a text each; they repeat if there are not enough."""
        drawn = tasks("tuning", self.model.model.native_size, count)
        return tuple(islice(cycle(drawn), count))
