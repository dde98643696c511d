"""TTIS on the bundled model, on the first sample."""

from dataclasses import replace

import pytest
import torch

from baret import InversionOptions
from baret.images import to_pixels
from baret.method.ddim import add_noise
from baret.method.ttis import LEVELS_PER_STEP, describe

STEPS = 20
OPTIONS = InversionOptions(num_inference_steps=STEPS, inner_steps=6)


@pytest.fixture(scope="module")
def scene(editor, sample):
    """Return (z_0, c, schedule)."""
    model = editor.model
    clean = model.encode(to_pixels(sample.image, sample.image.size))
    return clean, model.embed(sample.prompt), model.schedule(STEPS)


def find(editor, scene, **changes):
    routine = describe(*scene, replace(OPTIONS, **changes))
    return editor.engine.run(routine, lambda progress: None)


@pytest.fixture(scope="module")
def source(editor, scene):
    return find(editor, scene)


@torch.no_grad()
def test_the_text_found_predicts_other_noise_on_the_photo_better_than_the_target(
    editor, scene, source
):
    clean, target, schedule = scene
    levels = range(2, STEPS + 1, 3)
    noise = torch.randn(len(levels), *clean.shape, generator=torch.Generator().manual_seed(99))
    noisy = add_noise(clean, noise, schedule, levels)
    timesteps = [schedule.timestep(level) for level in levels]

    def error(text):
        texts = text.embedding.expand(len(levels), -1, -1)
        predicted = editor.model.predict_noise(noisy, timesteps, texts)
        return ((predicted - noise).square().mean((1, 2, 3)) / schedule.alphas[levels]).mean()

    assert error(source) < 0.9 * error(target)


@torch.no_grad()
def test_denoising_with_the_text_found_comes_nearer_to_the_photo(editor, scene, source):
    clean, target, schedule = scene
    start = 16  # hides what the photo shows
    noise = torch.randn(1, *clean.shape, generator=torch.Generator().manual_seed(99))

    def distance(text):
        z = add_noise(clean, noise, schedule, [start])
        for level in range(start, 0, -1):
            predicted = editor.model.predict_noise(
                z, [schedule.timestep(level)], text.embedding[None]
            )
            z = schedule.step(z, predicted, level=level)
        return (z[0] - clean).square().mean()

    assert distance(source) < 0.8 * distance(target)


def test_a_seed_is_one_text_and_another_seed_another(editor, scene):
    first, same, other = (find(editor, scene, inner_steps=1, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(first.embedding, same.embedding)
    assert not torch.equal(first.embedding, other.embedding)


def test_without_steps_the_text_is_the_target_and_nothing_is_asked_for(scene):
    with pytest.raises(StopIteration) as stop:
        next(describe(*scene, replace(OPTIONS, inner_steps=0)))
    assert torch.equal(stop.value.value.embedding, scene[1].embedding)


@pytest.mark.parametrize("steps", [3, 10, 20])
def test_a_step_puts_the_photo_under_noise_over_the_whole_schedule(editor, scene, steps):
    clean, target, _ = scene
    schedule = editor.model.schedule(steps)
    request = next(describe(clean, target, schedule, OPTIONS))
    levels = [1 + schedule.timesteps.index(timestep) for timestep in request.timesteps]
    for part, level in enumerate(levels):
        assert part * steps // LEVELS_PER_STEP < level <= 1 + (part + 1) * steps / LEVELS_PER_STEP
    noisy = add_noise(clean, request.target.noise, schedule, levels)
    torch.testing.assert_close(request.latents, noisy)
    torch.testing.assert_close(request.target.weight, 1 / schedule.alphas[levels])
