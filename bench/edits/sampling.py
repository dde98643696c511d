"""Steps that most peers share: DDIM inversion, guided DDIM, and embeddings tuned to the pivots.

b images · h, w latent height and width · n tokens · d text width · T steps. Index 0 of every
sequence over steps is the cleanest level, as in `baret`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from baret.method.ddim import Schedule, guide
from baret.method.inversion import invert
from bench.edits.lockstep import run_together
from bench.edits.model import BatchModel, RowTexts


def pivots_of(model: BatchModel, clean: Tensor, texts: RowTexts, schedule: Schedule) -> Tensor:
    """Invert by DDIM at guidance 1: z*_0…z*_T, [T + 1, b, 4, h, w].

    Args:
        model: predicts.
        clean: z_0, [b, 4, h, w].
        texts: [b].
        schedule: T levels.
    """
    edits = [invert(own, text, schedule) for own, text in zip(clean, texts, strict=True)]
    return torch.stack(run_together(model.predictor, edits), dim=1)


def guided(
    model: BatchModel,
    latents: Tensor,
    timestep: int,
    texts: tuple[RowTexts, RowTexts],
    scale: float,
) -> Tensor:
    """Return ε(∅) + w (ε(c) − ε(∅)), [b, 4, h, w], of (∅, c), each [b], in one call."""
    uncond, conditional = texts
    if scale == 1:
        return model.predict(latents, timestep, conditional)
    both = model.predict(torch.cat([latents, latents]), timestep, uncond + conditional)
    without, with_text = both.chunk(2)
    return guide(without, with_text, scale)


def denoise(
    model: BatchModel,
    latents: Tensor,
    texts: Callable[[int], tuple[RowTexts, RowTexts]],
    schedule: Schedule,
    scale: float,
    *,
    start: int | None = None,
) -> Tensor:
    """Run guided DDIM from a level down to the clean one.

    Args:
        model: predicts.
        latents: at the starting level, [b, 4, h, w].
        texts: level → (∅_t, c_t), each [b].
        schedule: T levels.
        scale: w.
        start: the level to start at; None is T.
    """
    for level in range(len(schedule) if start is None else start, 0, -1):
        noise = guided(model, latents, schedule.timestep(level), texts(level), scale)
        latents = schedule.step(latents, noise, level=level)
    return latents


@dataclass(frozen=True)
class TuningOptions:
    """The options of tuning; the defaults are those of null-text inversion."""

    inner_steps: int = 10  # maximum number of Adam steps per timestep
    learning_rate: float = 1e-2  # at the noisiest step, falling to half at the last
    stop_loss: float = 1e-5  # an inner loop ends below this …
    stop_loss_growth: float = 1e-3  # … plus this times the share of steps done (2e-5 × 50)


@dataclass(frozen=True)
class Texts:
    """The two texts of guidance, one of which is tuned."""

    start: RowTexts  # where tuning starts, [b]
    fixed: RowTexts  # [b]


@dataclass(frozen=True)
class Tuned:
    """Texts tuned to pivots."""

    texts: list[RowTexts]  # [T][b]
    reconstruction: Tensor  # [b, 4, h, w], where the guided steps end


def tune(
    model: BatchModel,
    pivots: Tensor,
    texts: Texts,
    schedule: Schedule,
    combine: Callable[[Tensor, Tensor], Tensor],
    options: TuningOptions,
) -> Tuned:
    """Tune a text at every level from T down, so that the guided step lands on the pivot.

    Null-text inversion (arXiv 2211.09794, algorithm 1) tunes ∅ and fixes c; prompt-tuning
    inversion (arXiv 2305.04441) tunes c and fixes ∅.

    Args:
        model: predicts.
        pivots: [T + 1, b, 4, h, w].
        texts: the one to tune, and the fixed one.
        schedule: T levels.
        combine: (ε of the tuned, ε of the fixed text) → guided ε.
        options: inner steps, learning rate, stopping rule.
    """
    count, latents, tuned = len(schedule), pivots[-1], texts.start
    levels = []
    for level in range(count, 0, -1):
        timestep, share = schedule.timestep(level), (count - level) / count
        other = model.predict(latents, timestep, texts.fixed)
        problem = _LevelProblem(
            model, latents, timestep, other, pivots[level - 1], schedule, level, combine
        )
        max_loss = options.stop_loss + options.stop_loss_growth * share
        rate = options.learning_rate * (1 - share / 2)
        tuned = problem.tune(tuned, options.inner_steps, rate, max_loss)
        noise = combine(model.predict(latents, timestep, tuned), other)
        latents = schedule.step(latents, noise, level=level)
        levels.append(tuned)
    return Tuned(levels[::-1], latents)


@dataclass(frozen=True)
class _LevelProblem:
    """The optimisation problem of one timestep, for all images."""

    model: BatchModel
    latents: Tensor  # [b, 4, h, w]
    timestep: int
    other: Tensor  # ε of the fixed text, [b, 4, h, w]
    pivot: Tensor  # [b, 4, h, w]
    schedule: Schedule
    level: int
    combine: Callable[[Tensor, Tensor], Tensor]

    def tune(self, texts: RowTexts, steps: int, rate: float, max_loss: float) -> RowTexts:
        """Run Adam on each image's embedding until its loss is small enough."""
        texts = [text.with_embedding(text.embedding.detach().clone()) for text in texts]
        optimisers = [torch.optim.Adam([text.embedding], lr=rate) for text in texts]
        open_rows = list(range(len(texts)))
        for _ in range(steps):
            losses, gradient = self._gradient(texts, open_rows)
            unfinished = [i for i, loss in enumerate(losses.tolist()) if loss >= max_loss]
            for i in unfinished:
                (parameter,) = optimisers[open_rows[i]].param_groups[0]["params"]
                parameter.grad = gradient[i]
                optimisers[open_rows[i]].step()
            open_rows = [open_rows[i] for i in unfinished]
            if not open_rows:
                break
        return texts

    def _gradient(self, texts: RowTexts, rows: list[int]) -> tuple[Tensor, Tensor]:
        latents, other, pivot = self.latents[rows], self.other[rows], self.pivot[rows]

        def loss(noise: Tensor) -> Tensor:
            landed = self.schedule.step(latents, self.combine(noise, other), level=self.level)
            return (landed - pivot).square().mean((1, 2, 3))

        own = [texts[row] for row in rows]
        return self.model.gradient(latents, self.timestep, own, loss)
