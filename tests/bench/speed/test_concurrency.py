from dataclasses import replace

from bench.speed.concurrency import measure_concurrency, run_together


def test_edits_at_once_are_timed_from_the_common_start(subject):
    brief = replace(subject, plan=replace(subject.plan, steps=2, inner_steps=1))
    tasks = brief.tasks(3)
    alone, three = run_together(brief, tasks[:1]), run_together(brief, tasks)
    assert len(three.latencies) == 3
    assert min(three.latencies) > 0 and max(three.latencies) <= three.cost.seconds
    assert three.cost.rows == 3 * alone.cost.rows


def test_every_crowd_is_held_against_as_many_alone(subject):
    brief = replace(subject, plan=replace(subject.plan, steps=2, inner_steps=1))
    measured = measure_concurrency(brief)
    one, two = measured.crowds
    assert (one.at_once, two.at_once) == (1, 2)
    assert 0 < one.p50 == one.p95 and two.p50 <= two.p95
    assert two.rows_per_call >= one.rows_per_call
    assert f"| 2 | {two.p50:.3g} | {two.p95:.3g} |" in measured.page()
