import numpy as np
import pytest
import torch
from PIL import Image

from baret import InversionOptions
from baret.images import composite, to_pixels
from baret.method.mask import (
    DEPARTURE_ROWS,
    MIN_DEPARTURE,
    change_mask,
    changes_look,
    departure,
)

STEPS = 20


@pytest.fixture(scope="module")
def scene(editor, sample):
    """Return (z_0, the text that describes it, the target text, schedule)."""
    model = editor.model
    clean = model.encode(to_pixels(sample.image, sample.image.size))
    source, target = model.embed(sample.caption), model.embed(sample.prompt)
    return clean, source, target, model.schedule(STEPS)


def find(editor, scene, seed=0):
    return editor.engine.run(departure(*scene, InversionOptions(seed=seed)), lambda progress: None)


@pytest.fixture(scope="module")
def departed(editor, scene):
    return find(editor, scene)


def test_the_texts_lead_apart_where_the_exact_answer_differs(sample, departed):
    before, after = (np.asarray(p.convert("RGB"), float) for p in (sample.image, sample.answer))
    height, width = departed.shape
    differs = np.abs(before - after).max(-1) > 6
    differs = differs.reshape(height, 4, width, 4).any((1, 3))
    inside, outside = (departed[torch.from_numpy(where)].mean() for where in (differs, ~differs))
    assert inside > 1.5 * outside


def test_a_seed_draws_the_same_noise_each_time_and_another_seed_other_noise(scene):
    first, same, other = (
        next(departure(*scene, InversionOptions(seed=seed))).latents for seed in (1, 1, 2)
    )
    assert len(first) == DEPARTURE_ROWS
    assert torch.equal(first, same) and not torch.equal(first, other)


def test_both_texts_are_asked_on_the_same_noise(scene):
    request = next(departure(*scene, InversionOptions()))
    noisy, again = request.latents.chunk(2)
    source, target = request.embeddings.chunk(2)
    assert torch.equal(noisy, again)
    assert torch.equal(source, scene[1].embedding.expand_as(source))
    assert torch.equal(target, scene[2].embedding.expand_as(target))


def test_texts_that_say_the_same_hold_nothing(editor, scene):
    clean, source, _, schedule = scene
    departed = find(editor, (clean, source, source, schedule))
    assert departed.max() < MIN_DEPARTURE
    assert change_mask(departed, 0.1, 0.2).min() == 1


def test_thresholds_are_shares_of_the_largest_departure_and_make_a_ramp():
    departed = torch.tensor([0.0] * 4 + [2.0] * 4 + [4.0] * 4).expand(6, 12)
    away_from_the_steps = change_mask(departed, 0.25, 0.75)[:, [1, 2, 5, 6, 9, 10]]
    expected = torch.tensor([0.0, 0.0, 0.5, 0.5, 1.0, 1.0]).expand(6, 6)
    torch.testing.assert_close(away_from_the_steps, expected)


def test_equal_thresholds_make_a_hard_edge():
    departed = torch.arange(36.0).view(6, 6)
    mask = change_mask(departed, 0.5, 0.5)
    assert set(mask.unique().tolist()) == {0.0, 1.0}
    assert mask[0, 0] == 0 and mask[5, 5] == 1


def test_thresholds_of_nothing_leave_everything_free(departed):
    assert change_mask(departed, 0.0, 0.0).min() == 1


def test_what_is_kept_is_the_photos_own_pixels():
    edited, photo = Image.new("RGB", (40, 20), "black"), np.full((20, 40, 3), 200, np.uint8)
    alpha = np.array([[0.0, 0.0, 1.0, 1.0]] * 2, np.float32)
    mixed = np.asarray(composite(edited, photo, alpha))
    assert (mixed[:, :15] == 200).all() and (mixed[:, 25:] == 0).all()
    assert (np.diff(mixed[0, :, 0].astype(int)) <= 0).all()  # a ramp, no seam


def test_a_text_that_leads_apart_everywhere_alike_changes_the_look():
    everywhere = 0.5 + 0.5 * torch.rand(32, 32, generator=torch.Generator().manual_seed(0))
    in_one_place = everywhere.clone()
    in_one_place[:, 8:] *= 0.05
    assert changes_look(everywhere) and not changes_look(in_one_place)
    assert not changes_look(torch.zeros(32, 32))  # the text says what the photo shows
