"""What is measured: options, a model, pictures."""

from dataclasses import dataclass, replace
from itertools import cycle, islice

from PIL import Image

from baret.editor import Editor, OnProgress
from baret.options import EditOptions
from baret.result import EditResult
from bench.edits.cases import Task, tasks
from bench.edits.methods import with_steps
from bench.edits.model import BatchModel
from bench.edits.peers.null_text import NullTextOptions
from bench.speed.machine import Machine


@dataclass(frozen=True)
class Plan:
    """How everything is measured."""

    steps: int = 50  # T, of every method
    inner_steps: int | None = None  # exactly so many, never stopped; None: each method's own rules
    repeats: int = 3
    at_once: tuple[int, ...] = (1, 2, 4, 8, 16)  # edits

    def options(self, form: EditOptions) -> EditOptions:
        """A form of our edit with this plan's steps."""
        inversion = replace(form.inversion, num_inference_steps=self.steps)
        if self.inner_steps is not None:
            inversion = replace(
                inversion,
                inner_steps=self.inner_steps,
                stop_loss=0.0,
                stop_loss_growth=0.0,
                stop_share=0.0,
            )
        return replace(form, inversion=inversion)

    @property
    def null_text(self) -> NullTextOptions:
        """Null-text inversion as it is published, with this plan's steps."""
        published = NullTextOptions()
        tuning = published.tuning
        if self.inner_steps is not None:
            tuning = replace(
                tuning, inner_steps=self.inner_steps, stop_loss=0.0, stop_loss_growth=0.0
            )
        options: NullTextOptions = with_steps(replace(published, tuning=tuning), self.steps)
        return options


@dataclass(frozen=True)
class Subject:
    """What is measured."""

    model: BatchModel
    editor: Editor
    machine: Machine
    plan: Plan

    def edit(
        self, task: Task, options: EditOptions, on_progress: OnProgress | None = None
    ) -> EditResult:
        """One edit from the picture on."""
        photo = Image.fromarray(task.source)
        return self.editor.edit(photo, task.prompt, options, on_progress=on_progress)

    def tasks(self, count: int) -> tuple[Task, ...]:
        """So many pictures with a text each, of all kinds; they recur where there are no more."""
        drawn = tasks("tuning", self.model.model.native_size, count)
        return tuple(islice(cycle(drawn), count))
