"""Many edits started at the same moment, compared with the same edits one after another."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from statistics import median
from threading import Barrier
from typing import ClassVar

import numpy as np

from baret.options import EditOptions
from bench.common.markdown import table
from bench.edits.cases import Task
from bench.edits.model import Cost
from bench.speed.machine import peak_gib, peak_title, reset_peak
from bench.speed.plan import Subject
from bench.speed.repeats import MedianRange


@dataclass(frozen=True)
class EditsAtOnce:
    """The figures of some edits at once."""

    at_once: int
    p50: float  # seconds from the common start to the end of an edit, median of the repeats
    p95: float  # likewise
    edits_per_second: float  # likewise
    speedup: MedianRange  # seconds of the same edits one after another, divided by theirs
    calls: float  # of the UNet for all of them, median
    rows_per_call: float  # median
    peak_gib: float


@dataclass(frozen=True)
class Concurrency:
    """The figures of several numbers of edits at once."""

    title: ClassVar[str] = "Edits at once"
    crowds: tuple[EditsAtOnce, ...]
    peak_title: str

    def page(self) -> str:
        """Return a table and its explanation."""
        head = ("at once", "p50 s", "p95 s", "edits/s", "× one by one", "calls", "rows/call", "GiB")
        rows = [
            (
                edits.at_once,
                *(f"{value:.3g}" for value in (edits.p50, edits.p95, edits.edits_per_second)),
                edits.speedup,
                f"{edits.calls:g}",
                f"{edits.rows_per_call:.3g}",
                f"{edits.peak_gib:.3g}",
            )
            for edits in self.crowds
        ]
        return (
            f"{table(head, rows)}\n\n"
            "Each of the threads starts one edit at the same moment, all of different images and "
            "texts. The table has the seconds from the start to the end of an edit, the "
            "throughput, the speedup over the same edits one after another in the same repeat "
            "(lowest … highest), the UNet's calls for all edits, and its rows per call. Memory is "
            f"the {self.peak_title}. Figures are medians of the repeats."
        )


@dataclass(frozen=True)
class Run:
    """One run of some edits at once."""

    latencies: tuple[float, ...]  # seconds of each edit from the common start
    cost: Cost  # of all of them


def measure_concurrency(subject: Subject) -> Concurrency:
    """Measure, in every repeat, all edits one by one, then each number of them at once."""
    device, sizes = subject.model.model.device, subject.plan.at_once
    tasks = subject.tasks(max(sizes))
    runs: dict[int, list[Run]] = {size: [] for size in sizes}
    one_by_one: dict[int, list[float]] = {size: [] for size in sizes}
    peaks = dict.fromkeys(sizes, 0.0)
    for _ in range(subject.plan.repeats):
        alone = [run_together(subject, [task]).cost.seconds for task in tasks]
        for size in sizes:
            reset_peak(device)
            runs[size].append(run_together(subject, tasks[:size]))
            one_by_one[size].append(sum(alone[:size]))
            peaks[size] = max(peaks[size], peak_gib(device))
    crowds = tuple(_figures(runs[size], one_by_one[size], peaks[size]) for size in sizes)
    return Concurrency(crowds, peak_title(device))


def run_together(subject: Subject, tasks: Sequence[Task]) -> Run:
    """Edit every task in its own thread, all started at the same moment."""
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


def _figures(runs: Sequence[Run], one_by_one: Sequence[float], peak: float) -> EditsAtOnce:
    size, seconds = len(runs[0].latencies), [run.cost.seconds for run in runs]

    def quantile(share: float) -> float:
        return median(float(np.quantile(run.latencies, share)) for run in runs)

    return EditsAtOnce(
        at_once=size,
        p50=quantile(0.5),
        p95=quantile(0.95),
        edits_per_second=size / median(seconds),
        speedup=MedianRange.ratio(one_by_one, seconds),
        calls=median(run.cost.calls for run in runs),
        rows_per_call=median(run.cost.rows / run.cost.calls for run in runs),
        peak_gib=peak,
    )
