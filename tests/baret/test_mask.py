import numpy as np
import pytest
import torch
from PIL import Image

from baret import EditOptions, InversionOptions
from baret.branches import Balance, Texts, denoise
from baret.images import keep_outside
from baret.mask import change_mask

FAST = InversionOptions(num_inference_steps=10, inner_steps=2)


@pytest.fixture(scope="module")
def inversion(editor, sample):
    return editor.invert(sample.picture, sample.prompt, FAST)


def test_thresholds_make_a_ramp():
    change = torch.tensor([0.0, 0.3, 0.4, 0.5, 1.0])
    torch.testing.assert_close(
        change_mask(change, 0.3, 0.5), torch.tensor([0.0, 0.0, 0.5, 1.0, 1.0])
    )
    torch.testing.assert_close(change_mask(change, 0.4, 0.4).round(), (change > 0.4).float())


def test_the_predicted_change_has_the_latents_size_and_lies_between_zero_and_one(inversion):
    assert inversion.change.shape == inversion.pivots.shape[-2:]
    assert inversion.change.min() >= 0 and inversion.change.max() == 1


def test_the_change_is_predicted_where_the_exact_answer_differs(inversion, sample):
    before, after = (np.asarray(p.convert("RGB"), float) for p in (sample.picture, sample.answer))
    differs = (np.abs(before - after).max(-1) > 6).reshape(16, 4, 16, 4).any((1, 3))
    inside = inversion.change[torch.from_numpy(differs)].mean()
    outside = inversion.change[torch.from_numpy(~differs)].mean()
    assert inside > 1.5 * outside  # measured 2.1


def test_without_tuning_the_change_cannot_be_told_and_nothing_is_kept(editor, sample):
    untuned = EditOptions(inversion=InversionOptions(num_inference_steps=10, inner_steps=0))
    result = editor.edit(sample.picture, sample.prompt, untuned)
    assert result.inversion.change.min() == 1
    assert result.picture.tobytes() != sample.picture.convert("RGB").tobytes()


def test_where_the_mask_is_zero_the_edit_ends_on_the_photo(editor, inversion):
    model, target = editor.model, editor.model.embed(inversion.prompt)
    texts = Texts(model.embed(""), target, inversion.tuned, inversion.tuned)
    mask = torch.zeros(16, 16)
    mask[8:] = 1
    edit = denoise(inversion.pivots, texts, model.schedule(10), Balance(0.0, 0.0, 7.5, mask=mask))
    end = editor._engine.run(edit, lambda where: None).edit
    torch.testing.assert_close(end[:, :8], inversion.pivots[0][:, :8])
    assert (end[:, 8:] - inversion.pivots[0][:, 8:]).abs().mean() > 0.05


def test_what_is_kept_is_the_photos_own_pixels():
    edited, photo = Image.new("RGB", (40, 20), "black"), np.full((20, 40, 3), 200, np.uint8)
    mask = np.array([[0.0, 0.0, 0.0, 1.0]] * 2, np.float32)  # one place wider for pixels
    mixed = np.asarray(keep_outside(edited, photo, mask))
    assert (mixed[:, :15] == 200).all() and (mixed[:, 25:] == 0).all()
    assert (np.diff(mixed[0, :, 0].astype(int)) <= 0).all()  # a ramp, no seam


def test_a_large_photo_keeps_its_fine_detail_where_nothing_was_to_change(editor, sample):
    noise = Image.effect_noise((250, 190), 80).convert("RGB")
    large = Image.blend(sample.picture.convert("RGB").resize((250, 190)), noise, 0.2)
    edit = editor.edit(large, sample.prompt, EditOptions(inversion=FAST))
    free = EditOptions(change_thresholds=None, inversion=FAST)
    blurred = editor.edit(edit.inversion, sample.prompt, free)
    exact = [
        (np.asarray(picture) == np.asarray(large)).all(-1).mean()
        for picture in (edit.picture, blurred.picture)
    ]
    assert exact[0] > 0.2 and exact[1] < 0.01


def test_without_thresholds_nothing_is_held(editor, inversion):
    free = EditOptions(change_thresholds=None, inversion=FAST)
    everywhere = EditOptions(change_thresholds=(0.0, 0.0), inversion=FAST)
    pictures = [
        editor.edit(inversion, inversion.prompt, options).picture.tobytes()
        for options in (free, everywhere, EditOptions(inversion=FAST))
    ]
    assert pictures[0] == pictures[1] != pictures[2]
