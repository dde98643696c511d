from dataclasses import replace

import pytest

from baret.method.mask import DEPARTURE_ROWS
from baret.method.ttis import LEVELS_PER_STEP
from bench.speed.comparison import Contender, measure_ratios, run_rounds


@pytest.fixture(scope="module")
def brief(subject):
    return replace(subject, plan=replace(subject.plan, steps=2, inner_steps=1, repeats=2))


def test_everyone_is_asked_once_a_round_and_the_first_round_is_not_counted(brief):
    first, second = brief.tasks(2)
    calls = []

    def contender(name, rows):
        def run(task):
            calls.append((name, task.key))
            latents = brief.model.encode(task.source[None]).expand(rows, -1, -1, -1)
            brief.model.predict(latents, 1, brief.model.embed([task.prompt] * rows))

        return Contender(run, brief.model.measured)

    spent = run_rounds(brief, {"one": contender("one", 1), "three": contender("three", 3)})
    rounds = (first, first, second)
    assert calls == [(name, task.key) for task in rounds for name in ("one", "three")]
    assert [cost.rows for cost in spent["three"]] == [3, 3]
    assert [cost.rows for cost in spent["one"]] == [1, 1]


def test_editing_again_takes_the_edit_alone_and_is_told_against_the_default(brief):
    measured = measure_ratios(brief)
    default, plain, paper, again = measured.entries
    assert (plain.calls, plain.rows) == (default.calls, default.rows)
    assert default.ratio.low == default.ratio.high == 1
    # T = 2 and one inner step: ten rows at once, in the paper's form one a timestep.
    assert (default.backward_rows, paper.backward_rows) == (LEVELS_PER_STEP, 2)
    # Without the rows of tuning, those that find what changes, and the 2 of inversion.
    saved = LEVELS_PER_STEP + DEPARTURE_ROWS + 2
    assert again.backward_rows == 0 and again.rows == default.rows - saved
    assert f"| edit of a stored inversion | {again.seconds} | {again.ratio} |" in measured.page()
