"""The properties of h-Edit, at three steps."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from bench.edits.batch import Batch
from bench.edits.peers.h_edit import EmphasisedInjection, HEdit, HEditOptions, h_edit, noised
from bench.edits.peers.prompt_to_prompt import Captions, PromptToPromptOptions
from bench.edits.sampling import pivots_of

STEPS = 3
EDIT = PromptToPromptOptions(steps=STEPS)
FREE = replace(EDIT, cross_until=0.0, self_until=0.0, guidance_scale=2.5)


@pytest.fixture
def same(batch):
    """Return the batch with its source captions as target texts."""
    return replace(batch, prompts=batch.source_captions)


def _difference(a, b):
    return np.abs(a.astype(int) - b).mean()


@pytest.mark.parametrize("random", [True, False])
def test_h_edit_with_the_same_caption_and_guidance_gives_the_source_back(model, same, random):
    edited = h_edit(model, same, HEditOptions(EDIT, EDIT.guidance_scale, random=random))
    through_vae = model.decode(model.encode(same.sources))
    assert _difference(edited.images, through_vae) < 0.05


@pytest.mark.parametrize(
    ("options", "rows"),
    [
        (HEditOptions(FREE), 6 * STEPS),
        (HEditOptions(FREE, random=False), 7 * STEPS),  # and DDIM inversion
        (HEditOptions(FREE, inner_steps=3), 14 * STEPS),
    ],
)
def test_h_edit_costs_two_rows_for_the_base_and_four_for_each_update(model, batch, options, rows):
    with model.measured() as cost:
        h_edit(model, batch, options)
    assert (cost.rows, cost.backward_rows) == (rows * len(batch), 0)


def test_h_edit_draws_each_pictures_noise_from_its_own_seed(model, batch):
    def edited(of, *, random):
        return h_edit(model, of, HEditOptions(FREE, random=random)).images[-1]

    second = Batch(batch.sources[1:], batch.prompts[1:], batch.source_captions[1:], batch.seeds[1:])
    reseeded = replace(second, seeds=(batch.seeds[1] + 1,))
    assert _difference(edited(batch, random=True), edited(second, random=True)) < 0.05
    assert _difference(edited(reseeded, random=True), edited(second, random=True)) > 1
    assert _difference(edited(reseeded, random=False), edited(second, random=False)) < 0.05


@pytest.mark.parametrize("random", [True, False])
def test_h_edits_update_is_the_step_with_the_editing_term_added_to_the_noise(model, batch, random):
    edit = _h_edit_of(model, batch, random=random)
    latents = edit.originals[2]
    noise, term = torch.randn(2, *latents.shape, generator=torch.Generator().manual_seed(0))
    moved = edit.mean(latents, noise + term, level=2)
    expected = edit.mean(latents, noise, level=2) + edit.noise_factor(2) * term
    torch.testing.assert_close(moved, expected, rtol=0, atol=1e-5)


def test_h_edits_random_step_has_the_variance_of_ddpm(model, batch):
    edit, schedule = _h_edit_of(model, batch, random=True), model.schedule(STEPS)
    alpha, below = schedule.alphas[2], schedule.alphas[1]
    clean, noise = torch.randn(2, 1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    mean = edit.mean(alpha.sqrt() * clean + (1 - alpha).sqrt() * noise, noise, level=2)
    beta = 1 - alpha / below  # DDPM (arXiv 2006.11239), equation 7
    from_clean = below.sqrt() * beta / (1 - alpha) * clean
    from_noisy = (alpha / below).sqrt() * (1 - below) / (1 - alpha)
    noisy = alpha.sqrt() * clean + (1 - alpha).sqrt() * noise
    torch.testing.assert_close(mean, from_clean + from_noisy * noisy, rtol=0, atol=1e-5)


@pytest.mark.parametrize("random", [True, False])
def test_h_edits_step_moves_the_base_towards_what_the_target_text_predicts(model, batch, random):
    edit = _h_edit_of(model, batch, random=random)
    base, moved = edit.base(edit.originals[2], level=2), edit.step(edit.originals[2], {}, level=2)
    timestep = edit.schedule.timestep(1)
    target, source = (
        edit.schedule.clean(base, model.predict(base, timestep, text), level=1)
        for text in (edit.captions.target, edit.captions.source)
    )
    assert (((moved - base) * (target - source)).sum((1, 2, 3)) > 0).all()


def test_an_emphasised_word_has_a_larger_map_in_target_rows_while_maps_are_injected():
    query, key, value = torch.randn(3, 2, 4, 3, 5, generator=torch.Generator().manual_seed(0))
    factors = torch.tensor([1.0, 3.0, 1.0])

    def attend(*, inject):
        injection = EmphasisedInjection(
            [0],
            [1],
            torch.eye(3)[None],
            torch.zeros(1, 1, 1, 3),
            inject=inject,
            emphasis=factors[None, None, :, None],
        )
        return injection.attend(query, key, value, 0.5)

    maps = (query @ key.transpose(-1, -2) * 0.5).softmax(-1)
    torch.testing.assert_close(attend(inject=False), maps @ value)
    torch.testing.assert_close(attend(inject=True)[0], maps[0] @ value[0])
    torch.testing.assert_close(attend(inject=True)[1], (maps[1] * factors) @ value[1])


def test_the_noise_of_h_edits_random_inversion_is_independent_at_each_level(model):
    schedule, clean = model.schedule(STEPS), torch.zeros(1, 4, 32, 32)
    levels = noised(clean, schedule, (7,)) / (1 - schedule.alphas).sqrt().view(-1, 1, 1, 1, 1)
    correlations = torch.corrcoef(levels[1:].flatten(1))
    torch.testing.assert_close(correlations, torch.eye(STEPS), rtol=0, atol=0.06)
    assert (levels[1:].std((1, 2, 3, 4)) - 1).abs().max() < 0.06


def _h_edit_of(model, batch, *, random):
    options = HEditOptions(FREE, 2.5, random=random)
    schedule, captions = model.schedule(STEPS), Captions.of(model, batch, FREE)
    clean = model.encode(batch.sources)
    if random:
        originals = noised(clean, schedule, batch.seeds)
    else:
        originals = pivots_of(model, clean, captions.source, schedule)
    return HEdit(model, captions, originals, schedule, options)
