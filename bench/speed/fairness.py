"""A short edit that arrives behind long ones: does it get its share of the machine?"""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from threading import Event
from typing import ClassVar

from baret.options import EditOptions
from baret.progress import Progress
from bench.edits.cases import Task
from bench.speed.plan import Subject
from bench.speed.spread import Spread, table

LONG = 8  # edits that are there first


@dataclass(frozen=True)
class Fairness:
    """A short edit alone and behind long ones."""

    title: ClassVar[str] = "A short edit behind long ones"
    short_steps: int
    long_steps: int
    alone: Spread  # seconds
    behind: Spread  # seconds
    multiple: Spread  # of its share: behind ÷ (LONG + 1) ÷ alone, round by round
    long_left: int  # long edits that still ran when the short one was done, the fewest

    def page(self) -> str:
        """A table, and what it says."""
        head = ("alone s", f"behind {LONG} s", "× its share", "long ones left")
        return (
            f"{table(head, [(self.alone, self.behind, self.multiple, self.long_left)])}\n\n"
            f"An edit of T = {self.short_steps} starts while {LONG} of T = {self.long_steps} are "
            f"under way. Its share is a {LONG + 1}th of the machine, {LONG + 1} times its seconds "
            "alone: at 1 it gets that, below 1 batching gives it more, above 1 it is kept waiting. "
            "Medians of the repeats (lowest … highest). Only while all long ones are still left "
            "when it is done does the figure mean this; they are cancelled then."
        )


class _NotNeededError(Exception):
    """Ends a long edit: the short one is done."""


def measure_fairness(subject: Subject) -> Fairness:
    """In every repeat alone first, then behind the long ones."""
    steps = max(1, subject.plan.steps // 10)
    short = replace(subject, plan=replace(subject.plan, steps=steps))
    task, *others = subject.tasks(LONG + 1)
    _seconds(short, task)  # kernels are chosen at first use
    alone, behind, left = [], [], []
    for _ in range(subject.plan.repeats):
        alone.append(_seconds(short, task))
        seconds, still = seconds_behind(subject, others, short, task)
        behind.append(seconds)
        left.append(still)
    share = [(LONG + 1) * seconds for seconds in alone]
    return Fairness(
        short_steps=steps,
        long_steps=subject.plan.steps,
        alone=Spread.of(alone),
        behind=Spread.of(behind),
        multiple=Spread.ratio(behind, share),
        long_left=min(left),
    )


def _seconds(subject: Subject, task: Task) -> float:
    started = time.perf_counter()
    subject.edit(task, subject.plan.options(EditOptions()))
    return time.perf_counter() - started


def seconds_behind(
    subject: Subject, others: Sequence[Task], short: Subject, task: Task
) -> tuple[float, int]:
    """Seconds of the short edit while the others run, and how many of those it left running.

    Args:
        subject: under whose plan the others run.
        others: the long edits; they are ended when the short one is done.
        short: under whose plan the short edit runs.
        task: the short edit.
    """
    options, done = subject.plan.options(EditOptions()), Event()
    begun = [Event() for _ in others]

    def was_left(other: Task, began: Event) -> bool:
        def on_progress(_: Progress) -> None:
            began.set()
            if done.is_set():
                raise _NotNeededError

        try:
            subject.edit(other, options, on_progress)
        except _NotNeededError:
            return True
        finally:
            began.set()  # whatever happened: nobody waits for an edit that has failed
        return False

    with ThreadPoolExecutor(len(others)) as pool:
        running = [pool.submit(was_left, *pair) for pair in zip(others, begun, strict=True)]
        try:
            for began in begun:
                began.wait()
            seconds = _seconds(short, task)
        finally:
            done.set()
        return seconds, sum(future.result() for future in running)
