"""Whether an edit shows its text, and what happens if it does not."""

from dataclasses import replace

import pytest
import torch

from baret import EditOptions, InversionOptions
from baret.images import to_pixels
from baret.method.verify import NOISE_SHARES, SAYS_THE_SAME, advantage, renewed

STEPS = 10
OPTIONS = EditOptions(inversion=InversionOptions(num_inference_steps=STEPS, inner_steps=8))


@pytest.fixture(scope="module")
def inversion(editor, sample):
    return editor.invert(sample.image, sample.prompt, OPTIONS.inversion)


@pytest.fixture(scope="module")
def texts(editor, inversion):
    """Return (c_src, c)."""
    target = editor.model.embed(inversion.prompt)
    return target.with_embedding(inversion.tuned[0]), target


def measure(editor, texts, clean, seed=0):
    schedule = editor.model.schedule(STEPS)
    routine = advantage(clean, *texts, schedule, seed)
    return editor.engine.run(routine, lambda progress: None)


def test_the_photo_is_explained_by_its_own_text_and_the_answer_by_the_target(
    editor, sample, inversion, texts
):
    answer = editor.model.encode(to_pixels(sample.answer, sample.answer.size))
    assert measure(editor, texts, inversion.pivots[0]) < SAYS_THE_SAME
    assert measure(editor, texts, answer) > OPTIONS.min_advantage


def test_a_text_that_describes_the_photo_asks_for_no_change(editor, sample):
    same = editor.invert(sample.image, sample.caption, OPTIONS.inversion)
    target = editor.model.embed(sample.caption)
    texts = target.with_embedding(same.tuned[0]), target
    assert measure(editor, texts, same.pivots[0]) > SAYS_THE_SAME


def test_both_texts_are_asked_on_the_same_noise_of_the_seed(editor, inversion, texts):
    schedule, clean = editor.model.schedule(STEPS), inversion.pivots[0]
    first, same, other = (
        next(advantage(clean, *texts, schedule, seed)).latents for seed in (1, 1, 2)
    )
    assert len(first) == 2 * len(NOISE_SHARES)
    assert torch.equal(*first.chunk(2))
    assert torch.equal(first, same) and not torch.equal(first, other)


def test_a_renewed_start_is_fresh_where_the_edit_is_free_and_the_photos_elsewhere(
    editor, inversion
):
    pivots, schedule = inversion.pivots, editor.model.schedule(STEPS)
    mask = torch.zeros(pivots.shape[-2:])
    mask[:, 16:] = 1
    start = renewed(pivots, mask, schedule, 0)
    assert torch.equal(start[..., :16], pivots[-1][..., :16])
    trace = schedule.alphas[STEPS].sqrt() * pivots[0]
    fresh = (start - trace)[..., 16:] / (1 - schedule.alphas[STEPS]).sqrt()
    assert abs(float(fresh.std()) - 1) < 0.05 and abs(float(fresh.mean())) < 0.05


def judged(monkeypatch, *values):
    """Let the model find these advantages, one after another; return those not asked for yet."""
    left = list(values)

    def found(*_):
        return left.pop(0)
        yield

    monkeypatch.setattr("baret.drawing.advantage", found)
    return left


def codes(result):
    return [hint.code for hint in result.hints]


def test_an_edit_that_shows_its_text_is_made_once(monkeypatch, editor, sample, inversion):
    left = judged(monkeypatch, 0.2)
    result = editor.edit(inversion, sample.prompt, OPTIONS)
    assert (left, codes(result)) == ([], [])


def test_an_edit_that_does_not_is_made_again_until_it_does_and_the_best_is_returned(
    monkeypatch, editor, sample, inversion
):
    once = editor.edit(inversion, sample.prompt, replace(OPTIONS, min_advantage=None))
    guided = editor.edit(
        inversion, sample.prompt, replace(OPTIONS, min_advantage=None, guidance_scale=12)
    )
    images = {once.image.tobytes(): "once", guided.image.tobytes(): "guided"}
    assert len(images) == 2

    def made(*values):
        left = judged(monkeypatch, *values)
        result = editor.edit(inversion, sample.prompt, OPTIONS)
        assert not left
        return images.get(result.image.tobytes(), "fresh"), codes(result)

    assert made(-0.2, -0.4, 0.1) == ("guided", [])
    assert made(-0.2, -0.4, -0.1, 0.1) == ("fresh", [])
    assert made(-0.2, -0.4, 0.02, 0.01) == ("guided", [])
    assert made(-0.2, -0.4, -0.1, -0.1) == ("once", ["text_not_shown"])


def test_a_text_that_asks_for_no_change_is_not_tried_again(monkeypatch, editor, sample, inversion):
    left = judged(monkeypatch, 0.0, SAYS_THE_SAME + 0.01)
    result = editor.edit(inversion, sample.prompt, OPTIONS)
    assert (left, codes(result)) == ([], [])


def test_below_strength_one_and_without_a_mask_nothing_is_verified(
    monkeypatch, editor, sample, inversion
):
    left = judged(monkeypatch, 0.2)
    for changes in ({"strength": 0.9}, {"change_thresholds": None}, {"min_advantage": None}):
        editor.edit(inversion, sample.prompt, replace(OPTIONS, **changes))
    assert left == [0.2]


def test_progress_does_not_fall_when_an_edit_is_made_again(monkeypatch, editor, sample, inversion):
    judged(monkeypatch, -0.2, -0.4, -0.1, 0.1)
    reports = []
    editor.edit(inversion, sample.prompt, OPTIONS, on_progress=reports.append)
    fractions = [progress.fraction for progress in reports]
    assert fractions == sorted(fractions) and len(fractions) > 2 * STEPS
