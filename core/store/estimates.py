"""Estimates of how long an edit will take, from recent edits of its model."""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from statistics import median
from typing import Any, Self

from core.schema import EditStatus, Record

MIN_PROGRESS = 0.1  # from here on a run's own progress tells how long it will take
# Seconds in which a worker begins to start once one is needed; afterwards none seems to come.
START_PATIENCE = 300.0


@dataclass(frozen=True)
class Run:
    """A run, ended or not. `work` is `Params.work`, its relative cost, or what was done of it."""

    seconds: float  # so far
    work: float
    progress: float = 1.0


@dataclass(frozen=True)
class ColdStart:
    """What the time until a model's next worker follows from. Times are Redis's, Unix times."""

    seconds: float | None = None  # that the last worker took to start
    loading_since: float | None = None  # when the worker that loads the model now was started
    last_served: float | None = None  # when a worker was live last
    standby: int = 0  # live workers that would load the model
    load_seconds: float | None = None  # that one of those took last

    @classmethod
    def read(
        cls,
        seconds: str | None,
        loading_ms: str | None,
        served_ms: str | None,
        standby: int,
        load_seconds: str | None,
    ) -> Self:
        """Read what `lua/queue_snapshot.lua` returns; what cannot be read is unknown."""
        loading, served = _number(loading_ms), _number(served_ms)
        return cls(
            _number(seconds),
            None if loading is None else loading / 1000,
            None if served is None else served / 1000,
            standby,
            _number(load_seconds),
        )

    @property
    def expected_seconds(self) -> float | None:
        """How long the next worker takes: a live one only loads the model. None if unknown."""
        if self.standby and self.load_seconds is not None:
            return self.load_seconds
        return self.seconds


@dataclass(frozen=True)
class QueueSnapshot:
    """The state of a model's queue that an edit's time left follows from."""

    now: float  # Redis's clock, as a Unix time
    position: int | None  # edits of the same model before it; None unless it is queued
    workers: int  # live workers of its model
    recent: tuple[Run, ...]  # of its model, succeeded
    running: tuple[Run, ...]  # of its model, now
    cold_start: ColdStart = ColdStart()

    @classmethod
    def read(cls, values: list[Any]) -> Self:
        """Read what `lua/queue_snapshot.lua` returns."""
        now_ms, position, workers, recent, running, start = values
        return cls(
            now=now_ms / 1000,
            position=None if position < 0 else position,
            workers=workers,
            recent=recent_runs(recent),
            running=tuple(_readable(running, lambda *run: _running(now_ms, *run))),
            cold_start=ColdStart.read(*start),
        )


def recent_runs(texts: Iterable[str]) -> tuple[Run, ...]:
    """Read a model's recent runs: `<ms> <work>` each."""
    return tuple(_readable((text.split() for text in texts), _ended))


def _ended(ms: str, work: str) -> Run:
    return Run(int(ms) / 1000, float(work))


def _running(now_ms: int, work: str, progress: str, started: str) -> Run:
    return Run((now_ms - int(started)) / 1000, float(work), float(progress))


def _readable(rows: Iterable[list[Any]], read: Callable[..., Run]) -> Iterator[Run]:
    """Yield the runs that can be read: an estimate is not worth failing for."""
    for values in rows:
        try:
            run = read(*values)
        except (ValueError, TypeError):
            continue
        if run.work > 0 and math.isfinite(run.seconds + run.work + run.progress):
            yield run


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "nan")
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None


def eta_seconds(record: Record, snapshot: QueueSnapshot) -> float | None:
    """Return the seconds until the edit's end, never negative; None if unknown."""
    rate = median(run.seconds / run.work for run in snapshot.recent) if snapshot.recent else None
    work = record.submission.params.work
    if record.status is EditStatus.RUNNING and record.started_at is not None:
        seconds = max(0.0, snapshot.now - record.started_at.timestamp())
        left = _left(Run(seconds, work, record.progress), rate)
    elif record.status is EditStatus.QUEUED and rate is not None:
        start = _until_worker(record, snapshot)
        left = None if start is None else start + _wait(snapshot, rate) + rate * work
    else:
        left = None
    return None if left is None else round(left, 1)


def _until_worker(record: Record, snapshot: QueueSnapshot) -> float | None:
    """Return the seconds until a worker is live: 0 if one is, None if nobody seems to start one.

    A sleeping model counts as one whose worker starts, or loads it, now.
    """
    start = snapshot.cold_start
    seconds = start.expected_seconds
    if snapshot.workers:
        return 0.0
    if seconds is None:
        return None
    if start.loading_since is not None:
        return max(0.0, seconds - (snapshot.now - start.loading_since))
    needed_since = max(record.queued_at.timestamp(), start.last_served or 0.0)
    patient = start.standby or snapshot.now - needed_since <= START_PATIENCE
    return seconds if patient else None


def _left(run: Run, rate: float | None) -> float | None:
    """Return the seconds left of a running edit, by what others took or by its own time so far."""
    if rate is not None:
        return (1 - run.progress) * max(rate * run.work, run.seconds)
    if run.progress < MIN_PROGRESS:
        return None
    return run.seconds * (1 - run.progress) / run.progress


def _wait(snapshot: QueueSnapshot, rate: float) -> float:
    """Return the seconds until a queued edit is claimed, if as many run at once as now."""
    left = sorted(_left(run, rate) or 0.0 for run in snapshot.running) or [0.0]
    rounds, place = divmod(snapshot.position or 0, len(left))
    return left[place] + rounds * median(run.seconds for run in snapshot.recent)
