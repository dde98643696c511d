"""How long an edit will take, by what recent edits of its model took."""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from statistics import median
from typing import Any, Self

from core.schema import EditStatus, Record

MIN_PROGRESS = 0.1  # progress from which on a run says by itself how long it will take


@dataclass(frozen=True)
class Run:
    """A run, ended or not. `work` is `Params.work`, its cost beside others."""

    seconds: float  # so far
    work: float
    progress: float = 1.0


@dataclass(frozen=True)
class QueueSnapshot:
    """What the time until an edit's end follows from."""

    now: float  # Redis's clock, as a Unix time
    position: int | None  # edits of the same model before it; None unless it is queued
    workers: int  # live ones of its model
    recent: tuple[Run, ...]  # of its model, that succeeded
    running: tuple[Run, ...]  # of its model, now

    @classmethod
    def read(cls, found: list[Any]) -> Self:
        """From what `scripts/outlook.lua` returns."""
        now_ms, position, workers, recent, running = found
        return cls(
            now=now_ms / 1000,
            position=None if position < 0 else position,
            workers=workers,
            recent=recent_runs(recent),
            running=tuple(_readable(running, lambda *run: _running(now_ms, *run))),
        )


def recent_runs(found: Iterable[str]) -> tuple[Run, ...]:
    """From `baret:runs:<model>`: '<ms> <work>' each."""
    return tuple(_readable((text.split() for text in found), _ended))


def _ended(ms: str, work: str) -> Run:
    return Run(int(ms) / 1000, float(work))


def _running(now_ms: int, work: str, progress: str, started: str) -> Run:
    return Run((now_ms - int(started)) / 1000, float(work), float(progress))


def _readable(found: Iterable[list[Any]], read: Callable[..., Run]) -> Iterator[Run]:
    """Those that are runs: an estimate is not worth failing for."""
    for values in found:
        try:
            run = read(*values)
        except (ValueError, TypeError):
            continue
        if run.work > 0 and math.isfinite(run.seconds + run.work + run.progress):
            yield run


def eta_seconds(record: Record, snapshot: QueueSnapshot) -> float | None:
    """Seconds until the edit's end, never negative; None where nothing is known."""
    rate = median(run.seconds / run.work for run in snapshot.recent) if snapshot.recent else None
    work = record.submission.params.work
    if record.status is EditStatus.RUNNING and record.started_at is not None:
        seconds = max(0.0, snapshot.now - record.started_at.timestamp())
        left = _left(Run(seconds, work, record.progress), rate)
    elif record.status is EditStatus.QUEUED and rate is not None and snapshot.workers:
        left = _wait(snapshot, rate) + rate * work
    else:
        left = None
    return None if left is None else round(left, 1)


def _left(run: Run, rate: float | None) -> float | None:
    """Of a running edit: what others took, or this one so far where that is more already."""
    if rate is not None:
        return (1 - run.progress) * max(rate * run.work, run.seconds)
    if run.progress < MIN_PROGRESS:
        return None
    return run.seconds * (1 - run.progress) / run.progress


def _wait(snapshot: QueueSnapshot, rate: float) -> float:
    """Until a queued edit is taken: as many run at once as now, each as long as is usual."""
    left = sorted(_left(run, rate) or 0.0 for run in snapshot.running) or [0.0]
    rounds, place = divmod(snapshot.position or 0, len(left))
    return left[place] + rounds * median(run.seconds for run in snapshot.recent)
