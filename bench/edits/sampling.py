"""What most peers share: DDIM there and back with guidance, and embeddings tuned to the pivots.

b pictures · n tokens · d text width · h, w latent height and width · T steps. Index 0 of every
sequence over steps is the cleanest level, as in `baret`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from baret.method.ddim import Schedule, guide
from baret.method.inversion import invert
from bench.edits.lockstep import run_together
from bench.edits.model import BatchModel


def pivots_of(model: BatchModel, clean: Tensor, texts: Tensor, schedule: Schedule) -> Tensor:
    """DDIM inversion at guidance 1: z*_0…z*_T, [T + 1, b, 4, h, w].

    Args:
        model: predicts.
        clean: z_0, [b, 4, h, w].
        texts: [b, n, d].
        schedule: T levels.
    """
    edits = [invert(own, text, schedule) for own, text in zip(clean, texts, strict=True)]
    return torch.stack(run_together(model.predictor, edits), dim=1)


def guided(
    model: BatchModel,
    latents: Tensor,
    timestep: int,
    texts: tuple[Tensor, Tensor],
    scale: float,
) -> Tensor:
    """ε(∅) + w (ε(c) − ε(∅)), [b, 4, h, w], of (∅, c), each [b, n, d]; one call for both."""
    uncond, conditional = texts
    if scale == 1:
        return model.predict(latents, timestep, conditional)
    both = model.predict(torch.cat([latents, latents]), timestep, torch.cat([uncond, conditional]))
    without, with_text = both.chunk(2)
    return guide(without, with_text, scale)


def denoise(
    model: BatchModel,
    latents: Tensor,
    texts: Callable[[int], tuple[Tensor, Tensor]],
    schedule: Schedule,
    scale: float,
    *,
    start: int | None = None,
) -> Tensor:
    """Guided DDIM from a level down to the clean one.

    Args:
        model: predicts.
        latents: at the starting level, [b, 4, h, w].
        texts: level → (∅_t, c_t), each [b, n, d].
        schedule: T levels.
        scale: w.
        start: level to start at; None is T.
    """
    for level in range(len(schedule) if start is None else start, 0, -1):
        noise = guided(model, latents, schedule.timestep(level), texts(level), scale)
        latents = schedule.step(latents, noise, level=level)
    return latents


@dataclass(frozen=True)
class TuningOptions:
    """How embeddings are tuned, as null-text inversion publishes it."""

    inner_steps: int = 10  # most Adam steps a timestep
    learning_rate: float = 1e-2  # at the noisiest step, falling to half at the last
    stop_loss: float = 1e-5  # an inner loop ends below this …
    stop_loss_growth: float = 1e-3  # … plus this times the share of steps done (2e-5 × 50)


@dataclass(frozen=True)
class Texts:
    """The two embeddings of guidance, one of them to be tuned."""

    start: Tensor  # what tuning starts from, [b, n, d]
    fixed: Tensor  # [b, n, d]


@dataclass(frozen=True)
class Tuned:
    """Embeddings tuned to pivots."""

    embeddings: Tensor  # [T, b, n, d]
    reconstruction: Tensor  # [b, 4, h, w], where the guided steps end


def tune(
    model: BatchModel,
    pivots: Tensor,
    texts: Texts,
    schedule: Schedule,
    combine: Callable[[Tensor, Tensor], Tensor],
    options: TuningOptions,
) -> Tuned:
    """From T down, tune an embedding so that the guided step lands on the pivot, then take it.

    Null-text inversion (arXiv 2211.09794, algorithm 1) tunes ∅ and fixes c; prompt-tuning
    inversion (arXiv 2305.04441) tunes c and fixes ∅.

    Args:
        model: predicts.
        pivots: [T + 1, b, 4, h, w].
        texts: the embedding to tune and the other one.
        schedule: T levels.
        combine: (ε of the tuned, ε of the fixed) → guided ε.
        options: inner steps, learning rate, stopping rule.
    """
    count, latents, embedding = len(schedule), pivots[-1], texts.start
    embeddings = []
    for level in range(count, 0, -1):
        timestep, share = schedule.timestep(level), (count - level) / count
        other = model.predict(latents, timestep, texts.fixed)
        inner = _Inner(model, latents, timestep, other, pivots[level - 1], schedule, level, combine)
        enough = options.stop_loss + options.stop_loss_growth * share
        rate = options.learning_rate * (1 - share / 2)
        embedding = inner.tune(embedding, options.inner_steps, rate, enough)
        noise = combine(model.predict(latents, timestep, embedding), other)
        latents = schedule.step(latents, noise, level=level)
        embeddings.append(embedding)
    return Tuned(torch.stack(embeddings[::-1]), latents)


@dataclass(frozen=True)
class _Inner:
    """One timestep's problem, for all pictures."""

    model: BatchModel
    latents: Tensor  # [b, 4, h, w]
    timestep: int
    other: Tensor  # ε of the fixed text, [b, 4, h, w]
    pivot: Tensor  # [b, 4, h, w]
    schedule: Schedule
    level: int
    combine: Callable[[Tensor, Tensor], Tensor]

    def tune(self, embedding: Tensor, steps: int, rate: float, enough: float) -> Tensor:
        """Adam on each picture's embedding until its loss is small enough, [b, n, d]."""
        embedding = embedding.detach().clone()
        optimisers = [torch.optim.Adam([own], lr=rate) for own in embedding]
        open_rows = list(range(len(embedding)))
        for _ in range(steps):
            losses, gradient = self._gradient(embedding, open_rows)
            still = [place for place, loss in enumerate(losses.tolist()) if loss >= enough]
            for place in still:
                (parameter,) = optimisers[open_rows[place]].param_groups[0]["params"]
                parameter.grad = gradient[place]
                optimisers[open_rows[place]].step()
            open_rows = [open_rows[place] for place in still]
            if not open_rows:
                break
        return embedding

    def _gradient(self, embedding: Tensor, rows: list[int]) -> tuple[Tensor, Tensor]:
        latents, other, pivot = self.latents[rows], self.other[rows], self.pivot[rows]

        def loss(noise: Tensor) -> Tensor:
            landed = self.schedule.step(latents, self.combine(noise, other), level=self.level)
            return (landed - pivot).square().mean((1, 2, 3))

        return self.model.gradient(latents, self.timestep, embedding[rows], loss)
