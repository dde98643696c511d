from dataclasses import replace

import pytest

from baret.options import PAPER, EditOptions
from bench.speed.stages import WHOLE, measure_stages, stage_costs

# Counted by hand, with T = 4 and 2 inner steps. Inversion takes one row per step. Tuning takes ten
# rows with a gradient per inner step, and twelve that find what changes; in the paper's form one
# row of ∅ per step, two with a gradient, and one for the final step. Editing takes one row of the
# photo while self-attention is balanced (half of the steps), and two rows of the edit in 4 steps,
# but one where guidance has fallen to 1 (the last); then twelve rows tell whether the edit shows
# its text, and twelve whether the photo does, since this model's edit does not. The paper's form,
# where guidance does not fall, takes two of the transition while cross-attention is balanced (one
# step).
WINDOWS = {"self_attention_until": 0.5, "cross_attention_until": 0.25}
OURS = replace(EditOptions(guidance_scale=3.0, guidance_end=1.0), **WINDOWS)
THE_PAPERS = replace(PAPER, **WINDOWS)


@pytest.mark.parametrize(
    ("form", "tuning", "backward", "editing"),
    [
        (OURS, 2 * 10 + 12, 2 * 10, 4 * 2 - 1 + 2 * 1 + 2 * 12),
        (THE_PAPERS, 4 * 4, 4 * 2, 4 * 2 + 1 * 2 + 2 * 1),
    ],
    ids=["default", "paper"],
)
def test_rows_are_counted_stage_by_stage(subject, form, tuning, backward, editing):
    options = subject.plan.options(form)
    (task,) = subject.tasks(1)
    costs = stage_costs(subject, lambda on_progress: subject.edit(task, options, on_progress))
    assert {name: (cost.rows, cost.backward_rows) for name, cost in costs.items()} == {
        "inverting": (4, 0),
        "tuning": (tuning, backward),
        "editing": (editing, 0),
        "decoding": (0, 0),
        WHOLE: (4 + tuning + editing, backward),
    }
    *stages, whole = costs.values()
    assert sum(cost.calls for cost in stages) == whole.calls
    assert sum(cost.seconds for cost in stages) == pytest.approx(whole.seconds, rel=0.01)
    assert all(cost.seconds > 0 for cost in stages)


def test_what_a_stage_reaches_is_its_rows_over_its_seconds(subject):
    measured = measure_stages(subject)
    tuning = next(stage for stage in measured.stages if stage.name == "tuning")
    without = tuning.rows - tuning.backward_rows
    row = measured.row
    assert row.with_gradient > row.forward > 0
    tflop = without * row.forward + tuning.backward_rows * row.with_gradient
    assert tuning.tflops == pytest.approx(tflop / tuning.seconds.median)
    assert tuning.share_of_ceiling == tuning.tflops  # the ceiling is 1 here
    assert 0.1 < measured.peak_gib < 100
    page = measured.page()
    assert f"| tuning | {tuning.seconds} | {tuning.calls} | 32 | 20 |" in page
    assert "| decoding |" in page and "| 0 | 0 | 0 | – | – | – |" in page
