"""TTIS, the target-text inversion schedule: pivots, and the target text tuned to them.

T steps · n tokens · d text width · h, w latent height and width.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from baret.method.ddim import Schedule, guide
from baret.options import InversionOptions
from baret.unet.requests import Answer, NoiseTarget, Request, Routine, StageProgress

LEVELS_PER_CALL = (
    10  # timesteps tuned in one call: enough to fill a GPU, few enough to be stopped soon
)


@dataclass(frozen=True)
class Tuning:
    """What tuning found; index 0 is the cleanest level throughout."""

    embeddings: Tensor  # c_t, [T, n, d] float32
    losses: Tensor  # [T] float32, the squared error on the pivot at the last look; nan: none
    inner_steps: Tensor  # [T] int64, Adam steps spent
    reconstruction: Tensor  # [4, h, w] float32, where denoising with c_t ends


def invert(clean: Tensor, uncond: Tensor, schedule: Schedule) -> Routine[Tensor]:
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
        where = StageProgress("inverting", level - 1, (level - 1) / len(schedule))
        latents = pivots[-1][None]
        timesteps = (schedule.timestep(level),)
        answer: Answer = yield Request(where, latents, timesteps, uncond[None])
        pivots.append(schedule.inverse_step(latents, answer.noise, level=level)[0])
    return torch.stack(pivots)


def tune(
    pivots: Tensor, target: Tensor, uncond: Tensor, schedule: Schedule, options: InversionOptions
) -> Routine[Tuning]:
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
) -> Routine[Tuning]:
    """Every timestep by itself: z is its pivot, c_t starts at c. Not in the paper.

    With the offset d_t = z*_{t−1} − step(z*_t, …) added after each step, denoising with c_t passes
    through every pivot, so the reconstruction is z*_0 itself. docs/decisions/0007 has the figures.
    """
    count = len(schedule)
    found: list[_Tuned] = []
    for start in range(count, 0, -LEVELS_PER_CALL):
        levels = tuple(range(start, max(0, start - LEVELS_PER_CALL), -1))
        stage = _Levels(levels, pivots[list(levels)], pivots, schedule, options)
        begin = [target] * len(levels)
        if options.inner_steps:
            unconditional = yield from stage.predict([uncond] * len(levels), 0.0)
            found += yield from stage.tune(begin, unconditional)
        else:
            found += [_Tuned(text, text.new_tensor(torch.nan), 0) for text in begin]
    return _tuning(found, pivots[0].clone())


def _one_after_another(
    pivots: Tensor, target: Tensor, uncond: Tensor, schedule: Schedule, options: InversionOptions
) -> Routine[Tuning]:
    """The paper's form: from T down, z is where the steps before led; c_t starts at c_{t+1}."""
    latents, embedding = pivots[-1:], target
    found: list[_Tuned] = []
    for level in range(len(schedule), 0, -1):
        stage = _Levels((level,), latents, pivots, schedule, options)
        unconditional = yield from stage.predict([uncond], 0.0)
        (tuned,) = yield from stage.tune([embedding], unconditional)
        embedding = tuned.embedding
        noise = yield from stage.predict([embedding], 0.95)
        (loss,) = stage.goal(unconditional).losses(noise)
        found.append(replace(tuned, loss=loss))
        latents = stage.land(noise, unconditional)
    return _tuning(found, latents[0])


@dataclass(frozen=True)
class _Tuned:
    """One timestep's c_t."""

    embedding: Tensor  # [n, d]
    loss: Tensor  # [], of the last look
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


class _InnerLoop:
    """Adam on one timestep's text."""

    def __init__(self, start: Tensor, options: InversionOptions, *, done: float):
        """Begin at a text [n, d], when a share of the steps is done."""
        self.text = start.detach().clone()
        self._spent, self._first, self._last = 0, 0.0, float("nan")
        self._share = options.stop_share
        self._enough = options.stop_loss + options.stop_loss_growth * done
        self._adam = torch.optim.Adam([self.text], lr=options.learning_rate * (1 - done / 2))

    def learn(self, loss: float, gradient: Tensor) -> bool:
        """Take a step, unless the error is small enough; whether to look again.

        Not if the step promises, to first order, an error below the share of the first: another
        look would cost as much as the step did.
        """
        self._last = loss
        if self._spent == 0:
            self._first = loss
        if loss < max(self._enough, self._share * self._first):
            return False
        before = self.text.clone()
        self.text.grad = gradient
        self._adam.step()
        self._spent += 1
        promised = loss - float((gradient * (before - self.text)).sum())
        return max(promised, 0.0) >= self._share * self._first

    def end(self) -> _Tuned:
        """What was found."""
        return _Tuned(self.text, self.text.new_tensor(self._last), self._spent)


@dataclass(frozen=True)
class _Levels:
    """Timesteps that are tuned in the same calls, a row each."""

    levels: tuple[int, ...]  # k, descending
    latents: Tensor  # z, [k, 4, h, w]
    pivots: Tensor  # [T + 1, 4, h, w]
    schedule: Schedule
    options: InversionOptions

    def predict(self, texts: Sequence[Tensor], part: float) -> Routine[Tensor]:
        """ε of every row with its text, k × [n, d]; `part` of the work on these levels is done."""
        answer: Answer = yield self._request(range(len(self.levels)), texts, part)
        return answer.noise

    def tune(self, start: Sequence[Tensor], unconditional: Tensor) -> Routine[list[_Tuned]]:
        """The inner loops, beginning at k × [n, d]; who has arrived leaves the calls.

        Args:
            start: what each c_t starts from.
            unconditional: ε(∅), [k, 4, h, w].
        """
        goal, count = self.goal(unconditional), len(self.schedule)
        loops = [
            _InnerLoop(text, self.options, done=(count - level) / count)
            for text, level in zip(start, self.levels, strict=True)
        ]
        going = list(range(len(loops)))
        for inner in range(self.options.inner_steps):
            part = 0.05 + 0.9 * inner / self.options.inner_steps
            texts = [loop.text for loop in loops]
            answer: Answer = yield self._request(going, texts, part, goal)
            if answer.losses is None or answer.gradient is None:
                raise TypeError("a request with a goal is answered with its gradient")
            looks = zip(going, answer.losses.tolist(), answer.gradient, strict=True)
            going = [row for row, loss, slope in looks if loops[row].learn(loss, slope)]
            if not going:
                break
        return [loop.end() for loop in loops]

    def _request(
        self,
        rows: Sequence[int],
        texts: Sequence[Tensor],
        part: float,
        goal: NoiseTarget | None = None,
    ) -> Request:
        """Some rows with their texts, of all k; the goal is all rows'."""
        count, chosen = len(self.schedule), list(rows)
        step = count - self.levels[0]
        return Request(
            StageProgress("tuning", step, (step + part * len(self.levels)) / count),
            self.latents[chosen],
            tuple(self.schedule.timestep(self.levels[row]) for row in chosen),
            torch.stack([texts[row] for row in chosen]),
            goal=None if goal is None else NoiseTarget(goal.noise[chosen], goal.weight[chosen]),
        )

    def land(self, noise: Tensor, unconditional: Tensor) -> Tensor:
        """Where the guided step leads from ε(c_t) and ε(∅), [k, 4, h, w]."""
        guided = guide(unconditional, noise, self.options.guidance_scale)
        return self.schedule.step_each(self.latents, guided, levels=self.levels)

    def goal(self, unconditional: Tensor) -> NoiseTarget:
        """The ε(c_t) with which the guided step lands on the pivots below.

        The step is linear in ε and guidance in ε(c_t), so the squared distance from the pivot is
        that from this ε, weighted with (w · what the step takes of ε)².
        """
        w = self.options.guidance_scale
        below = self.pivots[[level - 1 for level in self.levels]]
        guided, taken = self.schedule.noise_between_each(self.latents, below, levels=self.levels)
        return NoiseTarget(unconditional + (guided - unconditional) / w, (w * taken).square())
