"""Estimates of the time left, by recent runs. In most of them `WORK` takes 10 s."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from core.schema import EditStatus, Record, Submission
from core.store.estimates import START_PATIENCE, ColdStart, QueueSnapshot, Run, eta_seconds

NOW = 1_700_000_000.0


@pytest.fixture
def record(submission: Callable[..., Submission]) -> Callable[..., Record]:
    """Make a queued edit, or one that has run for some seconds."""

    def make(*, ran: float | None = None, progress: float = 0.0, **params: object) -> Record:
        started = None if ran is None else datetime.fromtimestamp(NOW - ran, UTC)
        return Record(
            submission=submission(**params),
            status=EditStatus.QUEUED if ran is None else EditStatus.RUNNING,
            queued_at=datetime.fromtimestamp(NOW - 100, UTC),
            started_at=started,
            progress=progress,
        )

    return make


Make = Callable[..., Record]


@pytest.fixture
def work(record: Make) -> float:
    return record().submission.params.work


def queue_snapshot(
    *running: Run, work: float, position: int | None = None, workers: int = 1
) -> QueueSnapshot:
    recent = tuple(Run(seconds, work) for seconds in (9.0, 10.0, 500.0))
    return QueueSnapshot(NOW, position, workers, recent, running)


def nothing_known(position: int | None = None) -> QueueSnapshot:
    return QueueSnapshot(NOW, position, 1, (), ())


def test_the_first_in_the_queue_beside_an_idle_worker_takes_as_long_as_others(
    record: Make, work: float
) -> None:
    assert eta_seconds(record(), queue_snapshot(work=work, position=0)) == 10


def test_an_edit_of_half_the_work_takes_half_as_long(record: Make) -> None:
    half, whole = (record(inner_steps=0, num_inference_steps=steps) for steps in (28, 60))
    work = whole.submission.params.work
    assert half.submission.params.work == work / 2
    assert eta_seconds(half, queue_snapshot(work=work, position=0)) == 5


def test_who_waits_waits_for_what_runs_and_for_those_before_it(record: Make, work: float) -> None:
    running = Run(4.0, work, 0.4)  # 6 s of its 10 are left
    assert eta_seconds(record(), queue_snapshot(running, work=work, position=0)) == 6 + 10
    assert eta_seconds(record(), queue_snapshot(running, work=work, position=2)) == 6 + 2 * 10 + 10


def test_those_before_it_share_the_places_that_are_used_now(record: Make, work: float) -> None:
    running = [Run(2.0, work, 0.2), Run(8.0, work, 0.8)]  # 8 s and 2 s are left
    etas = [
        eta_seconds(record(), queue_snapshot(*running, work=work, position=position))
        for position in range(4)
    ]
    assert etas == [2 + 10, 8 + 10, 2 + 10 + 10, 8 + 10 + 10]


def test_of_a_running_edit_the_share_that_is_not_done_is_left(record: Make, work: float) -> None:
    assert eta_seconds(record(ran=2, progress=0.25), queue_snapshot(work=work)) == 7.5


def test_an_edit_that_takes_longer_than_others_is_measured_by_itself(
    record: Make, work: float
) -> None:
    assert eta_seconds(record(ran=40, progress=0.5), queue_snapshot(work=work)) == 20


def test_without_recent_runs_its_own_progress_says_what_is_left_once_it_tells(
    record: Make,
) -> None:
    assert eta_seconds(record(ran=5, progress=0.05), nothing_known()) is None
    assert eta_seconds(record(ran=5, progress=0.25), nothing_known()) == 15


def test_nothing_is_known_of_a_queue_without_recent_runs_or_workers(
    record: Make, work: float
) -> None:
    assert eta_seconds(record(), nothing_known(position=0)) is None
    assert eta_seconds(record(), queue_snapshot(work=work, position=0, workers=0)) is None


def asleep(work: float, **start: float) -> QueueSnapshot:
    """Return the snapshot of a queue without workers, whose next worker takes 60 s to start."""
    snapshot = queue_snapshot(work=work, position=0, workers=0)
    return replace(snapshot, cold_start=ColdStart(60.0, **start))


def test_an_edit_for_a_sleeping_model_waits_for_a_cold_start_too(record: Make, work: float) -> None:
    assert eta_seconds(record(), asleep(work, last_served=NOW - 3600)) == 60 + 10
    second = replace(asleep(work), position=1)
    assert eta_seconds(record(), second) == 60 + 10 + 10


def test_a_live_worker_only_has_to_load_the_model(record: Make, work: float) -> None:
    standing_by = asleep(work, standby=1, load_seconds=7.0)
    assert eta_seconds(record(), standing_by) == 7 + 10
    loading = asleep(work, standby=1, load_seconds=7.0, loading_since=NOW - 4)
    assert eta_seconds(record(), loading) == 3 + 10
    never_loaded = asleep(work, standby=1)
    assert eta_seconds(record(), never_loaded) == 60 + 10
    gone = asleep(work, load_seconds=7.0)
    assert eta_seconds(record(), gone) == 60 + 10


def test_a_live_worker_loads_the_model_however_long_the_edit_has_waited(
    record: Make, work: float
) -> None:
    long_queued = record().model_copy(
        update={"queued_at": datetime.fromtimestamp(NOW - START_PATIENCE - 1, UTC)}
    )
    standing_by = asleep(work, standby=1, load_seconds=7.0)
    assert eta_seconds(long_queued, standing_by) == 7 + 10


def test_of_a_cold_start_only_what_is_left_counts(record: Make, work: float) -> None:
    assert eta_seconds(record(), asleep(work, loading_since=NOW - 45)) == 15 + 10
    assert eta_seconds(record(), asleep(work, loading_since=NOW - 90)) == 10


def test_nothing_is_known_once_nobody_seems_to_start_a_worker(record: Make, work: float) -> None:
    long_queued = record().model_copy(
        update={"queued_at": datetime.fromtimestamp(NOW - START_PATIENCE - 1, UTC)}
    )
    assert eta_seconds(long_queued, asleep(work)) is None
    assert eta_seconds(long_queued, asleep(work, last_served=NOW - 20)) == 60 + 10
    assert eta_seconds(long_queued, asleep(work, loading_since=NOW - 1)) == 59 + 10


def test_it_is_never_negative_although_clocks_differ(record: Make, work: float) -> None:
    assert eta_seconds(record(ran=-3, progress=0.0), queue_snapshot(work=work)) == 10
    assert eta_seconds(record(ran=-3, progress=0.5), nothing_known()) == 0
    assert eta_seconds(record(ran=5, progress=1.0), queue_snapshot(work=work)) == 0
