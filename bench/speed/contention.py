"""A short edit that starts while long ones run: whether it gets its share of the machine."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from threading import Event
from typing import ClassVar

from baret.options import EditOptions
from baret.progress import Progress
from bench.common.markdown import table
from bench.edits.cases import Task
from bench.speed.plan import Subject
from bench.speed.repeats import MedianRange

LONG_EDITS = 8  # edits that run already


@dataclass(frozen=True)
class Contention:
    """The figures of a short edit, alone and behind long ones."""

    title: ClassVar[str] = "A short edit behind long ones"
    short_steps: int
    long_steps: int
    alone: MedianRange  # seconds
    behind: MedianRange  # seconds
    multiple: (
        MedianRange  # behind ÷ its share of the machine, (LONG_EDITS + 1) · alone; in each repeat
    )
    long_left: int  # long edits still running when the short one ended, the minimum

    def page(self) -> str:
        """Return a table and its explanation."""
        head = ("alone s", f"behind {LONG_EDITS} s", "× its share", "long ones left")
        return (
            f"{table(head, [(self.alone, self.behind, self.multiple, self.long_left)])}\n\n"
            f"An edit of T = {self.short_steps} starts while {LONG_EDITS} edits of "
            f"T = {self.long_steps} are running. With a {LONG_EDITS + 1}th of the machine it would "
            f"take {LONG_EDITS + 1} times its seconds alone: that is its share. At 1 it gets its "
            "share, below 1 batching gives it more, above 1 it has to wait. Medians of the repeats "
            "(lowest … highest). The figure is valid only if all long edits are still running when "
            "the short one ends; they are cancelled then."
        )


class _ShortEditDoneError(Exception):
    """Ends a long edit once the short one is done."""


def measure_contention(subject: Subject) -> Contention:
    """Measure the short edit alone and then behind the long ones, in every repeat."""
    steps = max(1, subject.plan.steps // 10)
    short = replace(subject, plan=replace(subject.plan, steps=steps))
    task, *others = subject.tasks(LONG_EDITS + 1)
    _seconds(short, task)  # kernels are chosen at first use
    alone, behind, running = [], [], []
    for _ in range(subject.plan.repeats):
        alone.append(_seconds(short, task))
        seconds, long_left = seconds_behind(subject, others, short, task)
        behind.append(seconds)
        running.append(long_left)
    share = [(LONG_EDITS + 1) * seconds for seconds in alone]
    return Contention(
        short_steps=steps,
        long_steps=subject.plan.steps,
        alone=MedianRange.of(alone),
        behind=MedianRange.of(behind),
        multiple=MedianRange.ratio(behind, share),
        long_left=min(running),
    )


def _seconds(subject: Subject, task: Task) -> float:
    started = time.perf_counter()
    subject.edit(task, subject.plan.options(EditOptions()))
    return time.perf_counter() - started


def seconds_behind(
    subject: Subject, others: Sequence[Task], short: Subject, task: Task
) -> tuple[float, int]:
    """Return the seconds of the short edit while others run, and how many of those still ran.

    Args:
        subject: the plan of the others.
        others: the long edits; they are cancelled when the short one is done.
        short: the plan of the short edit.
        task: the short edit.
    """
    options, done = subject.plan.options(EditOptions()), Event()
    started = [Event() for _ in others]

    def was_running(other: Task, has_started: Event) -> bool:
        def on_progress(_: Progress) -> None:
            has_started.set()
            if done.is_set():
                raise _ShortEditDoneError

        try:
            subject.edit(other, options, on_progress)
        except _ShortEditDoneError:
            return True
        finally:
            has_started.set()  # also after a failure, so that nothing waits for this edit
        return False

    with ThreadPoolExecutor(len(others)) as pool:
        running = [pool.submit(was_running, *pair) for pair in zip(others, started, strict=True)]
        try:
            for has_started in started:
                has_started.wait()
            seconds = _seconds(short, task)
        finally:
            done.set()
        return seconds, sum(future.result() for future in running)
