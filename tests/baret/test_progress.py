"""What an edit reports of itself, in both forms of the method."""

from dataclasses import replace

import numpy as np
import pytest

from baret import EditOptions, InversionOptions
from baret.options import PAPER, PaperTuning

FAST = EditOptions(inversion=InversionOptions(num_inference_steps=3, inner_steps=2))
FAST_PAPER = replace(
    PAPER, inversion=InversionOptions(num_inference_steps=3, paper=PaperTuning(inner_steps=1))
)


@pytest.mark.parametrize(
    ("options", "stages"),
    [
        (FAST, ["tuning", "inverting", "editing", "decoding"]),
        (FAST_PAPER, ["inverting", "tuning", "editing", "decoding"]),
    ],
    ids=["ours", "paper"],
)
def test_progress_starts_at_zero_never_falls_and_names_the_stages_in_order(
    small_editor, sample, options, stages
):
    reports = []
    options = replace(options, strength=(0.5, 1.0))
    result = small_editor.edit(sample.image, sample.prompt, options, on_progress=reports.append)
    fractions = [progress.fraction for progress in reports]
    assert fractions == sorted(fractions) and fractions[0] == 0
    assert 0.9 < fractions[-1] <= 1
    assert list(dict.fromkeys(progress.stage for progress in reports)) == stages
    assert set(result.seconds) == set(stages)


def test_every_use_of_the_device_is_reported_before_it_happens(small_editor, sample):
    reports = []
    options = replace(FAST, preset="non_rigid")  # to this model every text is a new look
    small_editor.edit(sample.image, sample.prompt, options, on_progress=reports.append)
    stages = [progress.stage for progress in reports]
    # Photo, texts, two steps, departure; three steps; texts, three steps, whether edit and photo
    # show the text, and edit and photo, to see whether to refine (this model draws noise: no);
    # the edit.
    assert [stages.count(s) for s in dict.fromkeys(stages)] == [5, 3, 8, 1]


def test_an_edit_of_a_stored_inversion_reports_the_edit_alone(small_editor, sample):
    inversion = small_editor.invert(sample.image, sample.prompt, FAST.inversion)
    reports = []
    small_editor.edit(inversion, sample.prompt, FAST, on_progress=reports.append)
    assert {progress.stage for progress in reports} == {"editing", "decoding"}
    assert reports[0].fraction == 0


def test_previews_come_every_five_steps_and_change_nothing_else(editor, sample):
    reports, without_previews = [], []
    inversion = InversionOptions(num_inference_steps=12, inner_steps=1)
    options = EditOptions(strength=(0.5, 1.0), previews=True, inversion=inversion)
    result = editor.edit(sample.image, sample.prompt, options, on_progress=reports.append)
    previews = [progress.preview for progress in reports if progress.preview]
    assert [preview.strength for preview in previews] == [0.5, 0.5, 1.0, 1.0]
    assert {preview.image.size for preview in previews} == {sample.image.size}
    fractions = [progress.fraction for progress in reports]
    assert fractions == sorted(fractions)

    def difference(preview, output):
        return np.abs(np.asarray(preview.image, float) - np.asarray(output.image)).mean()

    # After 10 of 12 steps a preview is already close to the output.
    first, second = result.outputs
    assert difference(previews[1], first) < 20 and difference(previews[3], second) < 20

    quiet = replace(options, previews=False)
    plain = editor.edit(result.inversion, sample.prompt, quiet, on_progress=without_previews.append)
    assert not any(progress.preview for progress in without_previews)
    for output, same in zip(result.outputs, plain.outputs, strict=True):
        assert output.image.tobytes() == same.image.tobytes()
