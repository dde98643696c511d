"""Refining: which region is drawn once more, and what it holds to the photo."""

import numpy as np
import pytest
import torch

from baret.method.ddim import Schedule, add_noise
from baret.method.refine import DRAWN, MAX_SHARE, refine, refined_region
from baret.unet.requests import Conditioning, Prediction

SCHEDULE = Schedule.leading(
    torch.linspace(0.999, 0.01, 1000).cumprod(0).clamp(min=1e-4), 20, offset=1, first=1.0
)
TEXTS = (Conditioning(torch.ones(3, 4)), Conditioning(torch.zeros(3, 4)))


def refined(predict, edit, photo, region, steps=8, seed=0):
    """Run `refine` with a model that is a function, and return its requests and result."""
    routine, requests = refine(edit, photo, region, TEXTS, SCHEDULE, steps, seed), []
    try:
        request = next(routine)
        while True:
            requests.append(request)
            request = routine.send(Prediction(predict(request)))
    except StopIteration as stop:
        return requests, stop.value


def knows(clean):
    """Return a model that always predicts the noise which leads to one clean latent."""

    def predict(request):
        level = SCHEDULE.timesteps.index(request.timesteps[0]) + 1
        alpha = SCHEDULE.alphas[level]
        return (request.latents - alpha.sqrt() * clean) / (1 - alpha).sqrt()

    return predict


@pytest.fixture
def case():
    """Return z_0 of a photo and an edit, and a region that is the left half."""
    generator = torch.Generator().manual_seed(3)
    photo, edit = torch.randn(2, 4, 8, 8, generator=generator)
    region = torch.zeros(8, 8)
    region[:, :4] = 1
    return photo, edit, region


def test_the_region_becomes_what_the_model_draws_and_the_rest_stays_the_photo(case):
    photo, edit, region = case
    drawn = torch.full_like(photo, 0.5)
    _, latents = refined(knows(drawn), edit, photo, region)
    assert torch.equal(latents[..., 4:], photo[..., 4:])
    torch.testing.assert_close(latents[..., :4], drawn[..., :4], atol=1e-4, rtol=0)


def test_it_begins_at_the_edit_under_noise_and_asks_with_and_without_text(case):
    photo, edit, region = case
    requests, _ = refined(knows(edit), edit, photo, region, steps=8)
    assert [request.timesteps for request in requests] == [
        (SCHEDULE.timestep(level),) * 2 for level in range(8, 0, -1)
    ]
    noise = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    start = add_noise(torch.lerp(photo, edit, region), noise, SCHEDULE, [8])
    for request in requests:
        assert torch.equal(*request.latents)
        assert torch.equal(request.embeddings, torch.stack([t.embedding for t in TEXTS]))
    assert torch.equal(requests[0].latents[:1], start)


def test_outside_the_region_is_the_photo_under_as_much_noise_as_the_step_has(case):
    photo, edit, _ = case
    requests, latents = refined(knows(edit), edit, photo, torch.zeros(8, 8))
    for request in requests:
        level = SCHEDULE.timesteps.index(request.timesteps[0]) + 1
        alpha = SCHEDULE.alphas[level]
        noise = (request.latents[0] - alpha.sqrt() * photo) / (1 - alpha).sqrt()
        assert noise.std() == pytest.approx(1, abs=0.25)
    assert torch.equal(latents, photo)


def test_the_same_seed_draws_the_same_and_progress_takes_the_rest_of_the_stage(case):
    predict = lambda request: 0.9 * request.latents  # noqa: E731
    (requests, first), (_, same), (_, other) = (refined(predict, *case, seed=s) for s in (1, 1, 2))
    assert torch.equal(first, same) and not torch.equal(first, other)
    done = [request.progress.done for request in requests]
    assert done[0] == DRAWN and done == sorted(done) and done[-1] < 1


def test_a_stochastic_step_keeps_the_noise_of_its_level():
    generator = torch.Generator().manual_seed(5)
    for level in (2, 10, 20):
        noise, fresh = torch.randn(2, 4, 64, 64, generator=generator)
        clean = torch.zeros(4, 64, 64)
        latents = add_noise(clean, noise[None], SCHEDULE, [level])[0]
        below = SCHEDULE.stochastic_step(latents, noise, fresh, level=level)
        expected = (1 - SCHEDULE.alphas[level - 1]).sqrt()
        assert below.std() == pytest.approx(float(expected), rel=0.03)


def picture(*boxes, side=64):
    """Return a gray picture with bright boxes (left, top, right, bottom)."""
    pixels = np.full((side, side, 3), 60, np.uint8)
    for left, top, right, bottom in boxes:
        pixels[top:bottom, left:right] = 200
    return pixels


SOURCE = picture((10, 10, 26, 26))


def test_where_something_has_moved_it_is_refined_at_its_old_and_its_new_place():
    region = refined_region(picture((36, 36, 52, 52)), SOURCE, (16, 16))
    assert region is not None and region.shape == (16, 16)
    assert region[3:6, 3:6].all() and region[10:12, 10:12].all()
    assert not region[:, 14:].any() and 0 < region.mean() <= MAX_SHARE


@pytest.mark.parametrize(
    "edited",
    [
        pytest.param(SOURCE, id="nothing has changed"),
        pytest.param(255 - SOURCE, id="everything has"),
        pytest.param(SOURCE.clip(0, 130), id="a colour has, and the outlines are the same"),
    ],
)
def test_else_nothing_is_refined(edited):
    assert refined_region(edited, SOURCE, (16, 16)) is None
