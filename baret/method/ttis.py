"""TTIS, target-text inversion: the target text is tuned until it describes the photo.

n tokens · d text width · h, w latent height and width.

The text found, c_src, says what the photo shows, with the target text as its start. Beyond the
paper: it is tuned on the photo under fresh noise, as in training, and not on pivots. So the photo
need not be inverted first, one text serves all timesteps, and all rows of a step share a call.
docs/decisions/0016 says why the paper's objective, on pivots inverted with the empty text, leads
away from the photo's description; `baret.method.paper` has it.
"""

import torch
from torch import Tensor

from baret.method.ddim import Schedule, add_noise, draw_noise
from baret.options import InversionOptions
from baret.unet.requests import (
    Conditioning,
    NoiseTarget,
    Prediction,
    Request,
    Routine,
    StageProgress,
)

# Noise levels a step: enough to fill a GPU and to cover the schedule, few enough to be quick.
LEVELS_PER_STEP = 10


def describe(
    clean: Tensor, target: Conditioning, schedule: Schedule, options: InversionOptions
) -> Routine[Conditioning]:
    """Tune the target text until it describes the photo.

    c_src = argmin_c E_{t,ε} ‖ε − ε_θ(√ᾱ z_0 + √(1−ᾱ) ε, t, c)‖² / ᾱ, by Adam from c. The weight
    1/ᾱ is that of v-prediction (arXiv 2202.00512). The levels of a step are stratified over t.

    Args:
        clean: z_0, [4, h, w].
        target: c, where tuning starts.
        schedule: T levels.
        options: steps, learning rate and the seed of the noise.
    """
    generator = torch.Generator().manual_seed(options.seed)
    embedding = target.embedding.detach().clone()
    adam = torch.optim.Adam([embedding], lr=options.learning_rate)
    for step in range(options.inner_steps):
        levels = _stratified(len(schedule), generator)
        noise = draw_noise(clean, len(levels), generator)
        prediction: Prediction = yield Request.of(
            StageProgress("tuning", step, step / options.inner_steps),
            add_noise(clean, noise, schedule, levels),
            tuple(schedule.timestep(level) for level in levels),
            [target.with_embedding(embedding)] * len(levels),
            target=NoiseTarget(noise, 1 / schedule.alphas[list(levels)].to(clean)),
        )
        if prediction.gradient is None:
            raise TypeError("a request with a target must be answered with its gradient")
        embedding.grad = prediction.gradient.mean(0)
        adam.step()
    return target.with_embedding(embedding)


def _stratified(count: int, generator: torch.Generator) -> tuple[int, ...]:
    """Draw a level of 1…count from each of LEVELS_PER_STEP equal parts of the schedule."""
    within = torch.rand(LEVELS_PER_STEP, generator=generator)
    shares = (torch.arange(LEVELS_PER_STEP) + within) / LEVELS_PER_STEP
    return tuple(min(count, 1 + int(share * count)) for share in shares.tolist())
