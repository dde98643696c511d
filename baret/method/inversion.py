"""TTIS, the target-text inversion schedule: pivots, and the target text tuned to them.

T steps · n tokens · d text width · h, w latent height and width.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from baret.method.ddim import Schedule, guide
from baret.options import InversionOptions
from baret.unet.requests import (
    Conditioning,
    NoiseTarget,
    Prediction,
    Request,
    Routine,
    StageProgress,
    stack_embeddings,
)

# Timesteps tuned in one call: enough to fill a GPU, few enough that tuning can stop soon.
LEVELS_PER_CALL = 10


@dataclass(frozen=True)
class Tuning:
    """What tuning found; index 0 is the cleanest level throughout."""

    embeddings: Tensor  # c_t, [T, n, d] float32
    losses: Tensor  # [T] float32, squared error on the pivot when last evaluated; NaN if never
    inner_steps: Tensor  # [T] int64, Adam steps spent
    reconstruction: Tensor  # [4, h, w] float32, where denoising with c_t ends


def invert(clean: Tensor, uncond: Conditioning, schedule: Schedule) -> Routine[Tensor]:
    """Run DDIM inversion at guidance 1 with the empty text.

    With the empty text the pivots belong to the photo alone and serve every text. They reconstruct
    as well as those of a true caption (docs/method.md).

    Args:
        clean: z_0, [4, h, w].
        uncond: ∅.
        schedule: T levels.

    Returns:
        z*_0…z*_T, [T + 1, 4, h, w].
    """
    pivots = [clean]
    for level in range(1, len(schedule) + 1):
        prediction: Prediction = yield Request(
            StageProgress("inverting", level - 1, (level - 1) / len(schedule)),
            pivots[-1][None],
            (schedule.timestep(level),),
            stack_embeddings([uncond]),
        )
        pivots.append(schedule.inverse_step(pivots[-1][None], prediction.noise, level=level)[0])
    return torch.stack(pivots)


def tune(
    pivots: Tensor,
    target: Conditioning,
    uncond: Conditioning,
    schedule: Schedule,
    options: InversionOptions,
) -> Routine[Tuning]:
    """Tune c_t at every timestep so that the guided step lands on the pivot below.

    min ‖z*_{t−1} − step(z, ε(∅) + w(ε(c_t) − ε(∅)))‖² by Adam. ε(∅) is predicted once a timestep.

    Args:
        pivots: z*_0…z*_T, [T + 1, 4, h, w].
        target: c.
        uncond: ∅.
        schedule: T levels.
        options: the form, inner steps, learning rate, stopping rules.
    """
    form = _tune_side_by_side if options.side_by_side else _tune_in_sequence
    return (yield from form(pivots, target, uncond, schedule, options))


def _tune_side_by_side(
    pivots: Tensor,
    target: Conditioning,
    uncond: Conditioning,
    schedule: Schedule,
    options: InversionOptions,
) -> Routine[Tuning]:
    """Tune every timestep by itself: z is its pivot, c_t starts at c. Not in the paper.

    With the offset d_t = z*_{t−1} − step(z*_t, …) added after each step, denoising with c_t passes
    through every pivot, so the reconstruction is z*_0 itself. docs/decisions/0007 has the figures.
    """
    tuned: list[_Tuned] = []
    for first in range(len(schedule), 0, -LEVELS_PER_CALL):
        levels = tuple(range(first, max(0, first - LEVELS_PER_CALL), -1))
        group = _LevelGroup(levels, pivots[list(levels)], pivots, schedule, options)
        if options.inner_steps:
            unconditional = yield from group.predict([uncond] * len(levels), 0.0)
            tuned += yield from group.tune([target] * len(levels), unconditional)
        else:
            never = target.embedding.new_tensor(torch.nan)
            tuned += [_Tuned(target, never, 0) for _ in levels]
    return _collect(tuned, pivots[0].clone())


def _tune_in_sequence(
    pivots: Tensor,
    target: Conditioning,
    uncond: Conditioning,
    schedule: Schedule,
    options: InversionOptions,
) -> Routine[Tuning]:
    """Tune from T down: z is where the steps so far led, c_t starts at c_{t+1}. The paper's form.

    After each timestep the guided step with its c_t is taken.
    """
    latents, text = pivots[-1:], target
    tuned: list[_Tuned] = []
    for level in range(len(schedule), 0, -1):
        group = _LevelGroup((level,), latents, pivots, schedule, options)
        unconditional = yield from group.predict([uncond], 0.0)
        (found,) = yield from group.tune([text], unconditional)
        text = found.text
        noise = yield from group.predict([text], 0.95)
        (loss,) = group.noise_target(unconditional).losses(noise)
        tuned.append(replace(found, loss=loss))
        latents = group.guided_step(noise, unconditional)
    return _collect(tuned, latents[0])


@dataclass(frozen=True)
class _Tuned:
    """The result of one timestep."""

    text: Conditioning  # c_t
    loss: Tensor  # [], when last evaluated
    inner_steps: int


def _collect(tuned: Sequence[_Tuned], reconstruction: Tensor) -> Tuning:
    """Collect the results of all timesteps, given from the noisiest down."""
    ascending = tuned[::-1]
    return Tuning(
        stack_embeddings([one.text for one in ascending]),
        torch.stack([one.loss for one in ascending]),
        torch.tensor([one.inner_steps for one in ascending]),
        reconstruction,
    )


class _InnerLoop:
    """Adam on the text of one timestep."""

    def __init__(self, start: Conditioning, options: InversionOptions, *, done: float):
        """Start from a text, when a share of the timesteps is done."""
        self._embedding = start.embedding.detach().clone()
        self.text = replace(start, embedding=self._embedding)  # which Adam changes in place
        self._steps, self._first_loss, self._last_loss = 0, 0.0, float("nan")
        self._stop_share = options.stop_share
        self._stop_loss = options.stop_loss + options.stop_loss_growth * done
        self._adam = torch.optim.Adam([self._embedding], lr=options.learning_rate * (1 - done / 2))

    def step(self, loss: float, gradient: Tensor) -> bool:
        """Take a step unless the loss is small enough; return whether to evaluate again.

        It is not worth it once the step promises, to first order, a loss below the stopping share
        of the first one: evaluating would cost as much as the step did.
        """
        self._last_loss = loss
        if self._steps == 0:
            self._first_loss = loss
        if loss < max(self._stop_loss, self._stop_share * self._first_loss):
            return False
        before = self._embedding.clone()
        self._embedding.grad = gradient
        self._adam.step()
        self._steps += 1
        promised = loss - float((gradient * (before - self._embedding)).sum())
        return max(promised, 0.0) >= self._stop_share * self._first_loss

    def result(self) -> _Tuned:
        """Return the tuned text."""
        return _Tuned(self.text, self._embedding.new_tensor(self._last_loss), self._steps)


@dataclass(frozen=True)
class _LevelGroup:
    """Timesteps that are tuned in the same calls, one row each. k counts them."""

    levels: tuple[int, ...]  # [k], descending
    latents: Tensor  # z, [k, 4, h, w]
    pivots: Tensor  # [T + 1, 4, h, w]
    schedule: Schedule
    options: InversionOptions

    def predict(self, texts: Sequence[Conditioning], done: float) -> Routine[Tensor]:
        """Predict ε of every row with its text, when a share of the group's work is done."""
        prediction: Prediction = yield self._request(range(len(self.levels)), texts, done)
        return prediction.noise

    def tune(self, start: Sequence[Conditioning], unconditional: Tensor) -> Routine[list[_Tuned]]:
        """Run the inner loops together. A row that has converged leaves the calls.

        Args:
            start: what each c_t starts from, k texts.
            unconditional: ε(∅), [k, 4, h, w].
        """
        target, count = self.noise_target(unconditional), len(self.schedule)
        loops = [
            _InnerLoop(text, self.options, done=(count - level) / count)
            for text, level in zip(start, self.levels, strict=True)
        ]
        active = list(range(len(loops)))
        for inner in range(self.options.inner_steps):
            done = 0.05 + 0.9 * inner / self.options.inner_steps
            texts = [loop.text for loop in loops]
            prediction: Prediction = yield self._request(active, texts, done, target)
            if prediction.losses is None or prediction.gradient is None:
                raise TypeError("a request with a target must be answered with its gradient")
            evaluated = zip(active, prediction.losses.tolist(), prediction.gradient, strict=True)
            active = [row for row, loss, slope in evaluated if loops[row].step(loss, slope)]
            if not active:
                break
        return [loop.result() for loop in loops]

    def _request(
        self,
        rows: Sequence[int],
        texts: Sequence[Conditioning],
        done: float,
        target: NoiseTarget | None = None,
    ) -> Request:
        """Request some of the rows; `texts` and `target` are those of all k."""
        count, chosen = len(self.schedule), list(rows)
        step = count - self.levels[0]
        return Request(
            StageProgress("tuning", step, (step + done * len(self.levels)) / count),
            self.latents[chosen],
            tuple(self.schedule.timestep(self.levels[row]) for row in chosen),
            stack_embeddings([texts[row] for row in chosen]),
            target=None
            if target is None
            else NoiseTarget(target.noise[chosen], target.weight[chosen]),
        )

    def guided_step(self, noise: Tensor, unconditional: Tensor) -> Tensor:
        """Take the guided step from ε(c_t) and ε(∅), [k, 4, h, w]."""
        guided = guide(unconditional, noise, self.options.guidance_scale)
        return self.schedule.step_each(self.latents, guided, levels=self.levels)

    def noise_target(self, unconditional: Tensor) -> NoiseTarget:
        """Return the ε(c_t) with which the guided step lands on the pivots below.

        The step is linear in ε, and guidance in ε(c_t). So the squared distance from the pivot is
        the squared distance from this ε, weighted with (w · the step's factor of ε)².
        """
        w = self.options.guidance_scale
        below = self.pivots[[level - 1 for level in self.levels]]
        guided, factor = self.schedule.noise_between_each(self.latents, below, levels=self.levels)
        return NoiseTarget(unconditional + (guided - unconditional) / w, (w * factor).square())
