import pytest
import torch
from diffusers import DDIMScheduler

from baret.method.ddim import Schedule, guide, move


@pytest.fixture
def scheduler() -> DDIMScheduler:
    return DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
    )


@pytest.fixture
def schedule(scheduler: DDIMScheduler) -> Schedule:
    first = float(scheduler.final_alpha_cumprod)
    return Schedule.leading(scheduler.alphas_cumprod, 50, offset=1, first=first)


def latents(seed: int) -> torch.Tensor:
    return torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("level", [1, 2, 25, 50])
def test_step_and_inverse_step_are_exact_inverses_on_the_same_noise(schedule, level):
    z, noise = latents(0), latents(1)
    back = schedule.inverse_step(schedule.step(z, noise, level=level), noise, level=level)
    # Float32 rounding, amplified by √ᾱ_{t-1}/√ᾱ_t at the noisiest level.
    torch.testing.assert_close(back, z, atol=2e-6, rtol=1e-5)


@pytest.mark.parametrize("steps", [10, 50, 77, 100])
def test_steps_are_those_of_diffusers_scheduler(scheduler, steps):
    first = float(scheduler.final_alpha_cumprod)
    ours = Schedule.leading(scheduler.alphas_cumprod, steps, offset=1, first=first)
    scheduler.set_timesteps(steps)
    assert ours.timesteps[::-1] == tuple(scheduler.timesteps.tolist())
    z, noise = latents(0), latents(1)
    for level in range(steps, 0, -1):
        theirs = scheduler.step(noise, ours.timestep(level), z).prev_sample
        z = ours.step(z, noise, level=level)
        torch.testing.assert_close(z, theirs, atol=1e-5, rtol=1e-4)


def test_a_move_along_the_true_noise_stays_on_the_diffusion_of_one_picture(schedule):
    clean, noise = latents(0), latents(1)
    for a, b in zip(schedule.alphas[:-1], schedule.alphas[1:], strict=True):
        here = a.sqrt() * clean + (1 - a).sqrt() * noise
        there = b.sqrt() * clean + (1 - b).sqrt() * noise
        torch.testing.assert_close(move(here, noise, a, b), there, atol=1e-5, rtol=1e-4)


def test_guidance_one_is_the_conditional_prediction_and_zero_the_unconditional():
    without, with_text = latents(0), latents(1)
    torch.testing.assert_close(guide(without, with_text, 1.0), with_text)
    torch.testing.assert_close(guide(without, with_text, 0.0), without)
    torch.testing.assert_close(guide(without, with_text, 7.5), 7.5 * with_text - 6.5 * without)
