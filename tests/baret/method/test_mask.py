import numpy as np
import pytest
import torch
from PIL import Image

from baret import EditOptions, InversionOptions
from baret.images import composite
from baret.method.denoising import DenoisingOptions, Texts, denoise
from baret.method.mask import ChangeMask, change_mask

FAST = InversionOptions(num_inference_steps=10, inner_steps=2)


@pytest.fixture(scope="module")
def inversion(editor, sample):
    return editor.invert(sample.image, sample.prompt, FAST)


def test_thresholds_make_a_ramp():
    departure = torch.tensor([0.0, 0.3, 0.4, 0.5, 1.0])
    torch.testing.assert_close(
        change_mask(departure, 0.3, 0.5), torch.tensor([0.0, 0.0, 0.5, 1.0, 1.0])
    )
    torch.testing.assert_close(change_mask(departure, 0.4, 0.4).round(), (departure > 0.4).float())


def run(editor, inversion, thresholds, scale=7.5):
    model, target = editor.model, editor.model.embed(inversion.prompt)
    tuned = target.with_embeddings(inversion.tuned)
    texts = Texts(model.embed(""), target, tuned, tuned)
    options = DenoisingOptions(0.0, 0.0, scale, change_thresholds=thresholds)
    edit = denoise(inversion.pivots, texts, model.schedule(10), options)
    return editor.engine.run(edit, lambda progress: None)


def test_the_edit_departs_from_the_photo_where_the_exact_answer_does(editor, inversion, sample):
    before, after = (np.asarray(p.convert("RGB"), float) for p in (sample.image, sample.answer))
    differs = (np.abs(before - after).max(-1) > 6).reshape(16, 4, 16, 4).any((1, 3))
    mask = run(editor, inversion, (0.0, 1.0), scale=5.0).mask
    inside, outside = (mask[torch.from_numpy(where)].mean() for where in (differs, ~differs))
    assert inside > 1.5 * outside


def test_what_did_not_depart_ends_on_the_photo(editor, inversion):
    branches = run(editor, inversion, (0.3, 0.5))
    kept, free = branches.mask == 0, branches.mask == 1
    assert kept.any() and free.any()
    photo = inversion.pivots[0]
    torch.testing.assert_close(branches.edit[:, kept], photo[:, kept])
    assert (branches.edit[:, free] - photo[:, free]).abs().mean() > 0.05


def test_an_edit_that_is_the_photo_keeps_nothing(editor, inversion):
    schedule = editor.model.schedule(10)
    change = ChangeMask(inversion.pivots, schedule, (0.3, 0.5))
    for level in range(10, 0, -1):
        photo, below = inversion.pivots[level], inversion.pivots[level - 1]
        noise = schedule.noise_between(photo, below, level=level)
        torch.testing.assert_close(
            schedule.step(photo, noise, level=level), below, atol=1e-3, rtol=1e-3
        )
        change.observe(photo, noise, level=level)
        assert (change.mask is None) == (level > 6)  # half of ten steps are free
    assert change.mask.min() == 1


def test_what_is_kept_is_the_photos_own_pixels():
    edited, photo = Image.new("RGB", (40, 20), "black"), np.full((20, 40, 3), 200, np.uint8)
    alpha = np.array([[0.0, 0.0, 1.0, 1.0]] * 2, np.float32)
    mixed = np.asarray(composite(edited, photo, alpha))
    assert (mixed[:, :15] == 200).all() and (mixed[:, 25:] == 0).all()
    assert (np.diff(mixed[0, :, 0].astype(int)) <= 0).all()  # a ramp, no seam


def test_a_large_photo_keeps_its_fine_detail_where_nothing_was_to_change(editor, sample):
    noise = Image.effect_noise((250, 190), 80).convert("RGB")
    large = Image.blend(sample.image.convert("RGB").resize((250, 190)), noise, 0.2)
    edit = editor.edit(large, sample.prompt, EditOptions(inversion=FAST))
    free = EditOptions(change_thresholds=None, inversion=FAST)
    blurred = editor.edit(edit.inversion, sample.prompt, free)
    exact = [
        (np.asarray(image) == np.asarray(large)).all(-1).mean()
        for image in (edit.image, blurred.image)
    ]
    assert exact[0] > 0.2 and exact[1] < 0.01


def test_without_thresholds_nothing_is_held(editor, inversion):
    free = run(editor, inversion, None)
    everywhere = run(editor, inversion, (0.0, 0.0))
    held = run(editor, inversion, (0.3, 0.5))
    assert free.mask is None
    assert torch.equal(free.edit, everywhere.edit)
    assert not torch.equal(free.edit, held.edit)
