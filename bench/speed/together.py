"""Many edits at the same moment against as many one after another."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from statistics import median
from threading import Barrier
from typing import ClassVar

import numpy as np

from baret.options import EditOptions
from bench.edits.cases import Task
from bench.edits.model import Cost
from bench.speed.machine import forget_peak, peak_gib, peak_title
from bench.speed.plan import Subject
from bench.speed.spread import Spread, table


@dataclass(frozen=True)
class Crowd:
    """So many edits at once."""

    at_once: int
    p50: float  # seconds from the common start to an edit's end, median of the repeats
    p95: float  # likewise
    edits_per_second: float  # likewise
    speedup: Spread  # seconds of as many edits one after another, to theirs
    calls: float  # of the UNet for all of them, median
    rows_per_call: float  # median
    peak_gib: float


@dataclass(frozen=True)
class Together:
    """Crowds of several sizes."""

    title: ClassVar[str] = "Edits at once"
    crowds: tuple[Crowd, ...]
    peak_title: str

    def page(self) -> str:
        """A table, and what it says."""
        head = ("at once", "p50 s", "p95 s", "edits/s", "× one by one", "calls", "rows/call", "GiB")
        rows = [
            (
                crowd.at_once,
                *(f"{value:.3g}" for value in (crowd.p50, crowd.p95, crowd.edits_per_second)),
                crowd.speedup,
                f"{crowd.calls:g}",
                f"{crowd.rows_per_call:.3g}",
                f"{crowd.peak_gib:.3g}",
            )
            for crowd in self.crowds
        ]
        return (
            f"{table(head, rows)}\n\n"
            "So many threads start an edit each at the same moment, of different pictures and "
            "texts. Seconds from there to an edit's end; throughput; how many times faster all of "
            "them are than one after another in the same repeat (lowest … highest); calls of the "
            f"UNet for all of them and rows in a call; memory: {self.peak_title}. Medians of the "
            "repeats."
        )


@dataclass(frozen=True)
class Run:
    """One crowd, once."""

    latencies: tuple[float, ...]  # seconds of each edit from the common start
    cost: Cost  # of all of them


def measure_together(subject: Subject) -> Together:
    """In every repeat one after another first, then every crowd."""
    device, sizes = subject.model.model.device, subject.plan.at_once
    tasks = subject.tasks(max(sizes))
    runs: dict[int, list[Run]] = {size: [] for size in sizes}
    one_by_one: dict[int, list[float]] = {size: [] for size in sizes}
    peaks = dict.fromkeys(sizes, 0.0)
    for _ in range(subject.plan.repeats):
        alone = [run_together(subject, [task]).cost.seconds for task in tasks]
        for size in sizes:
            forget_peak(device)
            runs[size].append(run_together(subject, tasks[:size]))
            one_by_one[size].append(sum(alone[:size]))
            peaks[size] = max(peaks[size], peak_gib(device))
    crowds = tuple(_crowd(runs[size], one_by_one[size], peaks[size]) for size in sizes)
    return Together(crowds, peak_title(device))


def run_together(subject: Subject, tasks: Sequence[Task]) -> Run:
    """Edit every task in a thread of its own, all from the same moment on."""
    options = subject.plan.options(EditOptions())
    barrier = Barrier(len(tasks))

    def edit(task: Task) -> float:
        barrier.wait()
        started = time.perf_counter()
        subject.edit(task, options)
        return time.perf_counter() - started

    with ThreadPoolExecutor(len(tasks)) as pool, subject.measured() as cost:
        latencies = tuple(pool.map(edit, tasks))
    return Run(latencies, cost)


def _crowd(runs: Sequence[Run], one_by_one: Sequence[float], peak: float) -> Crowd:
    size, seconds = len(runs[0].latencies), [run.cost.seconds for run in runs]

    def quantile(share: float) -> float:
        return median(float(np.quantile(run.latencies, share)) for run in runs)

    return Crowd(
        at_once=size,
        p50=quantile(0.5),
        p95=quantile(0.95),
        edits_per_second=size / median(seconds),
        speedup=Spread.ratio(one_by_one, seconds),
        calls=median(run.cost.calls for run in runs),
        rows_per_call=median(run.cost.rows / run.cost.calls for run in runs),
        peak_gib=peak,
    )
