"""TTIS as the paper has it: the target text is tuned to the pivots, one timestep after another.

T steps · n tokens · d text width · h, w latent height and width.

`baret.method.ttis` is the product's form; this one stays for comparisons.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from baret.method.ddim import Schedule, guide
from baret.options import PaperTuning
from baret.unet.requests import (
    Conditioning,
    NoiseTarget,
    Prediction,
    Request,
    Routine,
    StageProgress,
)


@dataclass(frozen=True)
class Tuning:
    """What tuning found; index 0 is the cleanest level throughout."""

    embeddings: Tensor  # c_t, [T, n, d] float32
    losses: Tensor  # [T] float32, squared error on the pivot after the last step
    inner_steps: int  # Adam steps spent, over all timesteps
    reconstruction: Tensor  # [4, h, w] float32, where denoising with c_t ends


def tune(
    pivots: Tensor,
    target: Conditioning,
    uncond: Conditioning,
    schedule: Schedule,
    options: PaperTuning,
) -> Routine[Tuning]:
    """Tune c_t at every timestep from T down so that the guided step lands on the pivot below.

    min ‖z*_{t−1} − step(z_t, ε(∅) + w(ε(c_t) − ε(∅)))‖² by Adam. z_t is where the steps so far
    led, and c_t starts at c_{t+1}. ε(∅) is predicted once a timestep.

    Args:
        pivots: z*_0…z*_T, [T + 1, 4, h, w], inverted with ∅.
        target: c, where c_T starts.
        uncond: ∅.
        schedule: T levels.
        options: inner steps, learning rate, stopping rule.
    """
    latents, text = pivots[-1:], target
    found: list[tuple[Tensor, Tensor, int]] = []
    for level in range(len(schedule), 0, -1):
        problem = _LevelProblem(level, latents, pivots[level - 1 : level], schedule, options)
        unconditional = yield from problem.predict(uncond, 0.0)
        goal = problem.noise_target(unconditional)
        text, spent = yield from problem.tune(text, goal)
        noise = yield from problem.predict(text, 0.95)
        guided = guide(unconditional, noise, options.guidance_scale)
        latents = schedule.step(latents, guided, level=level)
        found.append((text.embedding, goal.losses(noise)[0], spent))
    embeddings, losses, steps = zip(*reversed(found), strict=True)
    return Tuning(torch.stack(embeddings), torch.stack(losses), sum(steps), latents[0])


@dataclass(frozen=True)
class _LevelProblem:
    """The optimisation problem of one timestep."""

    level: int
    latents: Tensor  # z_t, [1, 4, h, w]
    below: Tensor  # z*_{t−1}, [1, 4, h, w]
    schedule: Schedule
    options: PaperTuning

    @property
    def _done(self) -> float:
        """Share of the timesteps done."""
        return (len(self.schedule) - self.level) / len(self.schedule)

    def predict(self, text: Conditioning, done: float) -> Routine[Tensor]:
        """Predict ε with a text, [1, 4, h, w], when a share of the timestep's work is done."""
        prediction: Prediction = yield self._request([text], done)
        return prediction.noise

    def noise_target(self, unconditional: Tensor) -> NoiseTarget:
        """Return the ε(c_t) with which the guided step lands on the pivot below.

        The step is linear in ε, and guidance in ε(c_t). So the squared distance from the pivot is
        the squared distance from this ε, weighted with (w · the step's factor of ε)².
        """
        w = self.options.guidance_scale
        guided, factor = self.schedule.noise_between_each(
            self.latents, self.below, levels=[self.level]
        )
        return NoiseTarget(unconditional + (guided - unconditional) / w, (w * factor).square())

    def tune(self, start: Conditioning, goal: NoiseTarget) -> Routine[tuple[Conditioning, int]]:
        """Run Adam until the loss is small enough; return the text and the number of steps."""
        options, embedding = self.options, start.embedding.detach().clone()
        adam = torch.optim.Adam([embedding], lr=options.learning_rate * (1 - self._done / 2))
        enough = options.stop_loss + options.stop_loss_growth * self._done
        for inner in range(options.inner_steps):
            done = 0.05 + 0.9 * inner / options.inner_steps
            text = start.with_embedding(embedding)
            prediction: Prediction = yield self._request([text], done, goal)
            if prediction.losses is None or prediction.gradient is None:
                raise TypeError("a request with a target must be answered with its gradient")
            if float(prediction.losses) < enough:
                return text, inner
            embedding.grad = prediction.gradient[0]
            adam.step()
        return start.with_embedding(embedding), options.inner_steps

    def _request(
        self, texts: Sequence[Conditioning], done: float, goal: NoiseTarget | None = None
    ) -> Request:
        count = len(self.schedule)
        step = count - self.level
        return Request.of(
            StageProgress("tuning", step, (step + done) / count),
            self.latents,
            (self.schedule.timestep(self.level),),
            texts,
            target=goal,
        )
