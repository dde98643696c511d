"""The stages of a single default edit: their time, and how near it is to the machine's limit."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar

from baret.options import EditOptions
from baret.progress import OnProgress, Progress
from bench.common.markdown import table
from bench.edits.model import Cost
from bench.speed.flops import RowFlops, row_flops
from bench.speed.machine import peak_gib, peak_title, reset_peak, synchronize
from bench.speed.plan import Subject
from bench.speed.repeats import MedianRange

WHOLE = "whole edit"


@dataclass(frozen=True)
class Stage:
    """The figures of one stage, or of the whole edit."""

    name: str
    seconds: MedianRange
    calls: int  # of the UNet
    rows: int  # forward
    backward_rows: int
    tflop: float  # of the UNet
    tflops: float  # TFLOP per second
    share_of_ceiling: float

    @property
    def rates(self) -> tuple[str, str, str]:
        """The last three figures as text; dashes if the UNet was not called."""
        if not self.calls:
            return "–", "–", "–"
        return f"{self.tflop:.3g}", f"{self.tflops:.3g}", f"{self.share_of_ceiling:.1%}"


@dataclass(frozen=True)
class Stages:
    """The figures of a single edit."""

    title: ClassVar[str] = "A single default edit, stage by stage"
    stages: tuple[Stage, ...]
    row: RowFlops
    peak_gib: float
    peak_title: str

    def page(self) -> str:
        """Return a table and its explanation."""
        head = ("stage", "seconds", "calls", "rows", "backward", "TFLOP", "TFLOP/s", "of ceiling")
        rows = [
            (s.name, s.seconds, s.calls, s.rows, s.backward_rows, *s.rates) for s in self.stages
        ]
        return (
            f"{table(head, rows)}\n\n"
            "Median seconds of the repeats (lowest … highest) on one image; the UNet's calls, its "
            "rows forward, and its rows with a gradient at the text. TFLOP are counted: a row "
            f"takes {self.row.forward:.3g} forward and {self.row.with_gradient:.3g} with its "
            "gradient; the VAE and the text encoder are not counted. *Of ceiling* is the share of "
            f"the ceiling above. Peak memory: {self.peak_gib:.3g} GiB ({self.peak_title})."
        )


def measure_stages(subject: Subject) -> Stages:
    """Measure one edit in repeats, after one that is not counted."""
    (task,) = subject.tasks(1)
    options = subject.plan.options(EditOptions())
    model = subject.model.model
    side, tokens = model.native_size // model.multiple, len(model.embed(task.prompt))
    device, row = model.device, row_flops(model.unet.config, side=side, tokens=tokens)

    def edit() -> dict[str, Cost]:
        return stage_costs(subject, lambda on_progress: subject.edit(task, options, on_progress))

    edit()
    reset_peak(device)
    repeats = [edit() for _ in range(subject.plan.repeats)]
    stages = tuple(
        _stage(name, [costs[name] for costs in repeats], row, subject.machine.ceiling)
        for name in repeats[0]
    )
    return Stages(stages, row, peak_gib(device), peak_title(device))


def stage_costs(subject: Subject, edit: Callable[[OnProgress], object]) -> dict[str, Cost]:
    """Return the cost of each stage of an edit, and of the whole edit.

    Args:
        subject: its editor runs this edit only.
        edit: runs the edit with the given `on_progress`.
    """
    marks: dict[str, Cost] = {}  # stage → the cost until it began

    def on_progress(progress: Progress) -> None:
        if progress.stage not in marks:
            synchronize(subject.model.model.device)
            marks[progress.stage] = replace(cost, seconds=time.perf_counter() - started)

    with subject.measured() as cost:
        started = time.perf_counter()
        edit(on_progress)
    ends = [*marks.values(), cost][1:]
    costs = {name: _between(*pair) for name, *pair in zip(marks, marks.values(), ends, strict=True)}
    return {**costs, WHOLE: cost}


def _between(start: Cost, end: Cost) -> Cost:
    return Cost(
        end.seconds - start.seconds,
        end.calls - start.calls,
        end.rows - start.rows,
        end.backward_rows - start.backward_rows,
    )


def _stage(name: str, repeats: list[Cost], row: RowFlops, ceiling: float) -> Stage:
    """Summarise the repeats; the edit is the same every time, so only the seconds differ."""
    seconds, cost = MedianRange.of([cost.seconds for cost in repeats]), repeats[0]
    without = cost.rows - cost.backward_rows
    tflop = without * row.forward + cost.backward_rows * row.with_gradient
    tflops = tflop / seconds.median
    return Stage(
        name,
        seconds,
        cost.calls,
        cost.rows,
        cost.backward_rows,
        tflop,
        tflops,
        tflops / ceiling,
    )
