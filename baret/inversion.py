"""TTIS, the target-text inversion schedule: pivots, and the target text tuned to them.

T steps · n tokens · d text width · h, w latent height and width.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from baret.ddim import Schedule, guide
from baret.engine import Edit, Request, Where
from baret.options import InversionOptions

Loss = Callable[[Tensor], Tensor]
TOGETHER = 10  # timesteps tuned in one call: enough to fill a GPU, few enough to be stopped soon


@dataclass(frozen=True)
class Tuning:
    """What tuning found; index 0 is the cleanest level throughout."""

    embeddings: Tensor  # c_t, [T, n, d] float32
    losses: Tensor  # [T] float32, the squared error on the pivot with c_t
    inner_steps: Tensor  # [T] int64, Adam steps spent
    reconstruction: Tensor  # [4, h, w] float32, where denoising with c_t ends


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
        answer = yield Request(where, latents, (schedule.timestep(level),), uncond[None])
        pivots.append(schedule.inverse_step(latents, answer.noise, level=level)[0])
    return torch.stack(pivots)


def tune(
    pivots: Tensor, target: Tensor, uncond: Tensor, schedule: Schedule, options: InversionOptions
) -> Edit[Tuning]:
    """Tune c_t at every timestep so that the guided step lands on the pivot below.

    min ‖z*_{t−1} − step(z, ε(∅) + w(ε(c_t) − ε(∅)))‖² by Adam. ε(∅) is predicted once a timestep.

    Args:
        pivots: [T + 1, 4, h, w].
        target: c, [n, d].
        uncond: ∅, [n, d].
        schedule: T levels.
        options: the form, inner steps, learning rate, stopping rules.
    """
    form = _side_by_side if options.side_by_side else _one_after_another
    return (yield from form(pivots, target, uncond, schedule, options))


def _side_by_side(
    pivots: Tensor, target: Tensor, uncond: Tensor, schedule: Schedule, options: InversionOptions
) -> Edit[Tuning]:
    """Every timestep by itself: z is its pivot, c_t starts at c. Not in the paper.

    With the offset d_t = z*_{t−1} − step(z*_t, …) added after each step, denoising with c_t passes
    through every pivot, so the reconstruction is z*_0 itself. docs/decisions/0007 has the figures.
    """
    count = len(schedule)
    found: list[_Tuned] = []
    for start in range(count, 0, -TOGETHER):
        levels = tuple(range(start, max(0, start - TOGETHER), -1))
        begin = [target] * len(levels)
        found += yield from _tune_levels(
            levels, pivots[list(levels)], begin, pivots, uncond, schedule, options
        )
    return _tuning(found, pivots[0].clone())


def _one_after_another(
    pivots: Tensor, target: Tensor, uncond: Tensor, schedule: Schedule, options: InversionOptions
) -> Edit[Tuning]:
    """The paper's form: from T down, z is where the steps before led; c_t starts at c_{t+1}."""
    latents, embedding = pivots[-1], target
    found: list[_Tuned] = []
    for level in range(len(schedule), 0, -1):
        (tuned,) = yield from _tune_levels(
            (level,), latents[None], [embedding], pivots, uncond, schedule, options
        )
        found.append(tuned)
        latents, embedding = tuned.landed, tuned.embedding
    return _tuning(found, latents)


@dataclass(frozen=True)
class _Tuned:
    """One timestep's c_t."""

    embedding: Tensor  # [n, d]
    landed: Tensor  # [4, h, w], where the guided step with it leads
    loss: Tensor  # []
    inner_steps: int


def _tuning(found: Sequence[_Tuned], reconstruction: Tensor) -> Tuning:
    """Of all timesteps, the noisiest first."""
    upwards = found[::-1]
    return Tuning(
        torch.stack([tuned.embedding for tuned in upwards]),
        torch.stack([tuned.loss for tuned in upwards]),
        torch.tensor([tuned.inner_steps for tuned in upwards]),
        reconstruction,
    )


@dataclass(frozen=True)
class _Levels:
    """Timesteps that are tuned in the same calls, a row each."""

    levels: tuple[int, ...]  # k, descending
    latents: Tensor  # z, [k, 4, h, w]
    pivots: Tensor  # [T + 1, 4, h, w]
    schedule: Schedule
    guidance_scale: float  # w

    def request(
        self, rows: list[int], texts: Sequence[Tensor], part: float, loss: Loss | None = None
    ) -> Request:
        """Some rows with their texts, of all k; `part` of the work on these levels is done."""
        count = len(self.schedule)
        step = count - self.levels[0]
        return Request(
            Where("tuning", step, (step + part * len(self.levels)) / count),
            self.latents[rows],
            tuple(self.schedule.timestep(self.levels[row]) for row in rows),
            torch.stack([texts[row] for row in rows]),
            loss=loss,
        )

    def land(self, noise: Tensor, rows: list[int], unconditional: Tensor) -> Tensor:
        """Where the guided step leads from some rows: ε of them, ε(∅) of all."""
        guided = guide(unconditional[rows], noise, self.guidance_scale)
        levels = [self.levels[row] for row in rows]
        return self.schedule.step_each(self.latents[rows], guided, levels=levels)

    def loss(self, rows: list[int], unconditional: Tensor) -> Loss:
        """ε of some rows → their squared distance from the pivots below."""
        goals = self.pivots[[self.levels[row] - 1 for row in rows]]
        return lambda noise: (
            (self.land(noise, rows, unconditional) - goals).square().mean((1, 2, 3))
        )


def _tune_levels(
    levels: tuple[int, ...],
    latents: Tensor,
    start: Sequence[Tensor],
    pivots: Tensor,
    uncond: Tensor,
    schedule: Schedule,
    options: InversionOptions,
) -> Edit[list[_Tuned]]:
    """The inner loops of some timesteps in the same calls; who has arrived leaves them.

    Args:
        levels: k of them, descending.
        latents: z, [k, 4, h, w].
        start: what each c_t starts from, k × [n, d].
        pivots, uncond, schedule, options: as for `tune`.
    """
    stage = _Levels(levels, latents, pivots, schedule, options.guidance_scale)
    texts = [text.detach().clone() for text in start]
    everyone = list(range(len(levels)))
    unconditional = (yield stage.request(everyone, [uncond] * len(levels), 0.0)).noise
    shares = [(len(schedule) - level) / len(schedule) for level in levels]  # of the steps, done
    adam = torch.optim.Adam(
        [
            {"params": [text], "lr": options.learning_rate * (1 - share / 2)}
            for text, share in zip(texts, shares, strict=True)
        ]
    )
    enough = [options.stop_loss + options.stop_loss_growth * share for share in shares]
    going, spent = everyone, [options.inner_steps] * len(levels)
    for inner in range(options.inner_steps):
        part = 0.05 + 0.9 * inner / options.inner_steps
        answer = yield stage.request(going, texts, part, stage.loss(going, unconditional))
        if answer.losses is None or answer.gradient is None:
            raise TypeError("a request with a loss is answered with its gradient")
        adam.zero_grad()
        still = []
        for row, loss, gradient in zip(going, answer.losses.tolist(), answer.gradient, strict=True):
            if inner == 0:
                enough[row] = max(enough[row], options.stop_share * loss)
            if loss < enough[row]:
                spent[row] = inner
            else:
                texts[row].grad = gradient
                still.append(row)
        if not still:
            break
        adam.step()
        going = still
    noise = (yield stage.request(everyone, texts, 0.95)).noise
    landed = stage.land(noise, everyone, unconditional)
    losses = stage.loss(everyone, unconditional)(noise)
    return [_Tuned(*row) for row in zip(texts, landed, losses, spent, strict=True)]
