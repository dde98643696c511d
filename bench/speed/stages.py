"""Where a lone default edit spends its time, and how near to the machine's ceiling."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar

from baret.options import EditOptions
from baret.progress import OnProgress, Progress
from bench.edits.model import Cost
from bench.speed.flops import RowFlops, row_flops
from bench.speed.machine import forget_peak, peak_gib, peak_title, synchronize
from bench.speed.plan import Subject
from bench.speed.spread import Spread, table

WHOLE = "whole edit"


@dataclass(frozen=True)
class Stage:
    """One stage, or the whole edit."""

    name: str
    seconds: Spread
    calls: int  # of the UNet
    rows: int  # forward
    backward_rows: int
    tflop: float  # of the UNet
    tflops: float  # those, a second
    share_of_ceiling: float

    @property
    def rates(self) -> tuple[str, str, str]:
        """The last three, as written; nothing where the UNet was not called."""
        if not self.calls:
            return "–", "–", "–"
        return f"{self.tflop:.3g}", f"{self.tflops:.3g}", f"{self.share_of_ceiling:.1%}"


@dataclass(frozen=True)
class Stages:
    """A lone edit."""

    title: ClassVar[str] = "A lone default edit, stage by stage"
    stages: tuple[Stage, ...]
    row: RowFlops
    peak_gib: float
    peak_title: str

    def page(self) -> str:
        """A table, and what it says."""
        head = ("stage", "seconds", "calls", "rows", "backward", "TFLOP", "TFLOP/s", "of ceiling")
        rows = [
            (s.name, s.seconds, s.calls, s.rows, s.backward_rows, *s.rates) for s in self.stages
        ]
        return (
            f"{table(head, rows)}\n\n"
            "Median seconds of the repeats (lowest … highest) on one picture; calls of the UNet, "
            "their rows forward, and rows whose gradient at the text was taken. What they take by "
            "count, what that is a second, and its share of the ceiling above: a row takes "
            f"{self.row.forward:.3g} TFLOP forward and {self.row.with_gradient:.3g} with its "
            "gradient; the VAE's and the text encoder's are not counted. Peak memory: "
            f"{self.peak_gib:.3g} GiB ({self.peak_title})."
        )


def measure_stages(subject: Subject) -> Stages:
    """Repeat one edit, after one that is not counted."""
    (task,) = subject.tasks(1)
    options = subject.plan.options(EditOptions())
    model = subject.model.model
    side, tokens = model.native_size // model.multiple, len(model.embed(task.prompt))
    device, row = model.device, row_flops(model.unet.config, side=side, tokens=tokens)

    def edit() -> dict[str, Cost]:
        return stage_costs(subject, lambda tell: subject.edit(task, options, tell))

    edit()
    forget_peak(device)
    repeats = [edit() for _ in range(subject.plan.repeats)]
    stages = tuple(
        _stage(name, [costs[name] for costs in repeats], row, subject.machine.ceiling)
        for name in repeats[0]
    )
    return Stages(stages, row, peak_gib(device), peak_title(device))


def stage_costs(subject: Subject, edit: Callable[[OnProgress], object]) -> dict[str, Cost]:
    """What each stage of an edit costs, and the whole of it.

    Args:
        subject: on whose editor the edit runs, alone.
        edit: runs it with the `on_progress` that it is given.
    """
    marks: dict[str, Cost] = {}  # stage → what had been spent when it began

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
    """The same edit every time, so all but the seconds are the same."""
    seconds, cost = Spread.of([cost.seconds for cost in repeats]), repeats[0]
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
