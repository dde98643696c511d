"""The simulation against what can be computed by hand."""

from dataclasses import replace

import pytest

from bench.scale.simulation import Load, Rule, Simulation

QUIET = Load(edits_per_hour=60, swing=0.0, seconds=4 * 3600)


def test_with_a_worker_that_stays_and_has_room_nobody_waits() -> None:
    outcome = Simulation(QUIET, Rule(min_workers=1, max_workers=1)).run()
    assert outcome.waits[-1] == pytest.approx(0)
    assert outcome.starts == 0
    # One worker for four hours and the last edit's end, over the edits.
    assert 4 * 3600 * 0.99 < outcome.gpu_seconds < 4 * 3600 + 120


def test_from_zero_an_edit_waits_for_the_poll_and_the_cold_start_at_most() -> None:
    outcome = Simulation(replace(QUIET, edits_per_hour=2), Rule(cooldown=60)).run()
    assert 0 < outcome.wait(0.5) <= 120 + 15
    assert outcome.starts > 1
    assert outcome.gpu_seconds < 4 * 3600 / 4


def test_too_few_workers_let_the_queue_grow_and_all_edits_end() -> None:
    """At twice what one worker can do, the last edit waits for about half of all the time."""
    alone = 16 / 12.3 * 3600
    load = replace(QUIET, edits_per_hour=2 * alone, seconds=1800.0)
    outcome = Simulation(load, Rule(min_workers=1, max_workers=1)).run()
    assert outcome.waits[-1] == pytest.approx(1800, rel=0.15)
    assert len(outcome.waits) == pytest.approx(alone, rel=0.1)


def test_what_a_stopped_worker_ran_begins_again() -> None:
    load = replace(QUIET, edits_per_hour=3000, swing=0.9)
    outcome = Simulation(load, Rule(cooldown=15, target=0.25)).run()
    assert outcome.handed_back > 0
    assert len(outcome.waits) == pytest.approx(12_000, rel=0.05)
