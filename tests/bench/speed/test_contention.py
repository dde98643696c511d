from dataclasses import replace

import pytest

from baret.errors import ImageError
from bench.speed.contention import LONG_EDITS, measure_contention, seconds_behind


def test_a_short_edit_is_measured_while_the_long_ones_run_and_they_are_ended(subject):
    plan = replace(subject.plan, steps=10, inner_steps=1)
    measured = measure_contention(replace(subject, plan=plan))
    assert (measured.short_steps, measured.long_steps) == (1, 10)
    assert measured.long_left == LONG_EDITS
    share = (LONG_EDITS + 1) * measured.alone.median
    assert measured.multiple.median == pytest.approx(measured.behind.median / share)
    assert f"| {measured.alone} | {measured.behind} | {measured.multiple} | 8 |" in measured.page()


def test_a_long_edit_that_fails_is_not_waited_for(subject):
    task, other = subject.tasks(2)
    broken = replace(other, source=other.source[:16, :16])  # too small for an edit
    with pytest.raises(ImageError):
        seconds_behind(subject, [broken], subject, task)
