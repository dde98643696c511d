"""TTIS, the target-text inversion schedule: pivots, and the target text tuned to them.

T steps · n tokens · d text width · h, w latent height and width.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from baret.ddim import Schedule, guide
from baret.engine import Edit, Request, Where
from baret.options import InversionOptions


@dataclass(frozen=True)
class Tuning:
    """What tuning found; index 0 is the cleanest level throughout."""

    embeddings: Tensor  # c_t, [T, n, d] float32
    losses: Tensor  # [T] float32, the squared error on the pivot at the last look
    inner_steps: Tensor  # [T] int64, Adam steps spent
    reconstruction: Tensor  # [4, h, w] float32, where guided denoising with c_t ends


def invert(clean: Tensor, uncond: Tensor, schedule: Schedule) -> Edit[Tensor]:
    """DDIM inversion at guidance 1 with the empty text.

    With the empty text the pivots are the picture's alone and serve every text asked of it; they
    reconstruct as well as those of a true caption (docs/method.md).

    Args:
        clean: z_0, [4, h, w].
        uncond: ∅, [n, d].
        schedule: T levels.

    Returns:
        z*_0…z*_T, [T + 1, 4, h, w].
    """
    pivots = [clean]
    for level in range(1, len(schedule) + 1):
        where = Where("inverting", level - 1, (level - 1) / len(schedule))
        latents = pivots[-1][None]
        answer = yield Request(where, latents, schedule.timestep(level), uncond[None])
        pivots.append(schedule.inverse_step(latents, answer.noise, level=level)[0])
    return torch.stack(pivots)


def tune(
    pivots: Tensor, target: Tensor, uncond: Tensor, schedule: Schedule, options: InversionOptions
) -> Edit[Tuning]:
    """From T down, tune c_t so that the guided step lands on the pivot, then take the step.

    min ‖z*_{t−1} − step(z_t, ε(∅) + w(ε(c_t) − ε(∅)))‖² by Adam; c_T starts at c, each next one
    where the one before it ended. ε(∅) is predicted once a timestep.

    Args:
        pivots: [T + 1, 4, h, w].
        target: c, [n, d].
        uncond: ∅, [n, d].
        schedule: T levels.
        options: inner steps, learning rate, stopping rule.
    """
    count = len(schedule)
    latents, embedding = pivots[-1][None], target.clone()
    embeddings, losses, spent = [], [], []
    for level in range(count, 0, -1):
        first = Request(
            Where("tuning", count - level, (count - level) / count),
            latents,
            schedule.timestep(level),
            uncond[None],
        )
        unconditional = (yield first).noise
        embedding, steps = yield from _tune_one(
            first, embedding, unconditional, pivots[level - 1], schedule, level, options
        )
        where = Where("tuning", count - level, (count - level + 0.95) / count)
        last = yield Request(where, latents, first.timestep, embedding[None])
        noise = guide(unconditional, last.noise, options.guidance_scale)
        latents = schedule.step(latents, noise, level=level)
        embeddings.append(embedding)
        losses.append((latents[0] - pivots[level - 1]).square().mean())
        spent.append(steps)
    return Tuning(
        torch.stack(embeddings[::-1]),
        torch.stack(losses[::-1]),
        torch.tensor(spent[::-1]),
        latents[0],
    )


def _tune_one(
    at: Request,
    embedding: Tensor,
    unconditional: Tensor,
    pivot: Tensor,
    schedule: Schedule,
    level: int,
    options: InversionOptions,
) -> Edit[tuple[Tensor, int]]:
    """The inner loop of one timestep: (c_t, Adam steps spent)."""
    share = (len(schedule) - level) / len(schedule)
    enough = options.stop_loss + options.stop_loss_growth * share
    embedding = embedding.detach().clone()
    adam = torch.optim.Adam([embedding], lr=options.learning_rate * (1 - share / 2))

    def loss(noise: Tensor) -> Tensor:
        guided = guide(unconditional, noise, options.guidance_scale)
        landed = schedule.step(at.latents, guided, level=level)
        return (landed - pivot).square().mean((1, 2, 3))

    for inner in range(options.inner_steps):
        done = at.where.done + 0.95 * inner / options.inner_steps / len(schedule)
        where = Where("tuning", at.where.step, done)
        answer = yield Request(where, at.latents, at.timestep, embedding[None], loss=loss)
        if answer.losses is None or answer.gradient is None:
            raise TypeError("a request with a loss is answered with its gradient")
        if answer.losses.item() < enough:
            return embedding, inner
        embedding.grad = answer.gradient[0]
        adam.step()
    return embedding, options.inner_steps
