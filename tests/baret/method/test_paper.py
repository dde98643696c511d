"""The paper's TTIS on the bundled model, with the fewest steps for every formula to show."""

from dataclasses import replace

import pytest
import torch

from baret.images import psnr, to_pixels
from baret.method.ddim import guide
from baret.method.inversion import invert
from baret.method.paper import tune
from baret.options import PaperTuning
from baret.unet.predictor import Predictor

STEPS = 10
OPTIONS = PaperTuning(inner_steps=4)
SCALE = OPTIONS.guidance_scale


def run(editor, routine):
    return editor.engine.run(routine, lambda progress: None)


@pytest.fixture(scope="module")
def scene(editor, sample):
    """Return what `tune` takes: (pivots, c, ∅, schedule) of the first sample."""
    model = editor.model
    clean = model.encode(to_pixels(sample.image, sample.image.size))
    uncond, schedule = model.embed(""), model.schedule(STEPS)
    pivots = run(editor, invert(clean, uncond, schedule))
    return pivots, model.embed(sample.prompt), uncond, schedule


@pytest.fixture(scope="module")
def tuning(editor, scene):
    return run(editor, tune(*scene, OPTIONS))


@pytest.fixture(scope="module")
def untuned(editor, scene):
    return run(editor, tune(*scene, replace(OPTIONS, inner_steps=0)))


def test_tuning_lowers_the_loss(scene, tuning, untuned):
    assert 0 < tuning.inner_steps <= OPTIONS.inner_steps * STEPS
    assert tuning.losses.shape == (STEPS,)
    assert tuning.losses.mean() < 0.9 * untuned.losses.mean()  # measured: 0.77


def test_without_inner_steps_the_text_stays_the_targets(scene, untuned):
    assert untuned.inner_steps == 0
    torch.testing.assert_close(untuned.embeddings, scene[1].embedding.expand(STEPS, -1, -1))


def test_the_tuned_reconstruction_beats_the_untuned(editor, sample, tuning, untuned):
    pixels = to_pixels(sample.image, sample.image.size)
    tuned, plain = (
        psnr(editor.model.decode(found.reconstruction), pixels) for found in (tuning, untuned)
    )
    assert tuned > plain + 0.5  # dB; measured: 1.0


@torch.no_grad()
def test_denoising_with_the_tuned_texts_ends_where_tuning_said(editor, scene, tuning):
    pivots, _, uncond, schedule = scene
    z = pivots[-1][None]
    for level in range(STEPS, 0, -1):
        texts = torch.stack([uncond.embedding, tuning.embeddings[level - 1]])
        timesteps = [schedule.timestep(level)] * 2
        without, with_text = editor.model.predict_noise(z.repeat(2, 1, 1, 1), timesteps, texts)
        z = schedule.step(z, guide(without, with_text, SCALE), level=level)
    torch.testing.assert_close(z[0], tuning.reconstruction, atol=1e-3, rtol=1e-3)


def test_a_generous_stopping_rule_spends_no_inner_steps(editor, scene):
    tuned = run(editor, tune(*scene, replace(OPTIONS, stop_loss=1.0)))
    assert tuned.inner_steps == 0


def test_each_timestep_starts_from_the_text_of_the_one_before(editor, scene):
    pivots, target, uncond, _ = scene
    schedule, predictor, requests = editor.model.schedule(2), Predictor(editor.model), []
    options = PaperTuning(inner_steps=1, stop_loss=0.0, stop_loss_growth=0.0)
    routine, answer = tune(pivots[::5], target, uncond, schedule, options), None
    with pytest.raises(StopIteration) as stop:
        while True:
            requests.append(routine.send(answer))
            answer = predictor.answer(requests[-1])
    # At each of two timesteps: ∅, one inner step, and the step with the tuned text.
    assert [request.target is not None for request in requests] == [False, True, False] * 2
    tuned = stop.value.value.embeddings
    assert torch.equal(requests[1].embeddings[0], target.embedding)
    assert torch.equal(requests[4].embeddings[0], tuned[1])
    assert not torch.equal(tuned[0], tuned[1])
