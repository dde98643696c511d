"""DDIM (arXiv 2010.02502): the schedule, the step, its inverse, and a stochastic step.

b batch · h, w latent height and width · T steps. A *level* counts noise: level 0 is the clean
latent, level T the noisiest. `timesteps[i]` and `alphas[i]` belong to level i + 1 and level i.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor


@dataclass(frozen=True)
class Schedule:
    """The levels that T steps visit."""

    timesteps: tuple[int, ...]  # [T], ascending: the UNet's t at levels 1…T
    alphas: Tensor  # [T + 1] float32, ᾱ at levels 0…T

    @classmethod
    def leading(cls, alphas_cumprod: Tensor, steps: int, *, offset: int, first: float) -> Self:
        """Space timesteps evenly, "leading" as in Stable Diffusion's DDIM configuration.

        A schedule with zero terminal SNR (arXiv 2305.08891) ends in pure noise, which holds
        nothing of a photo and cannot be inverted; the timesteps stop before it.

        Args:
            alphas_cumprod: [1000] float32, ᾱ of the training schedule.
            steps: T.
            offset: added to every timestep (Stable Diffusion: 1).
            first: ᾱ of the clean level (ᾱ_0, or 1 if the model was trained for it).
        """
        stride = len(alphas_cumprod) // steps
        last = int((alphas_cumprod > 0).sum()) - 1
        timesteps = tuple(min(i * stride + offset, last) for i in range(steps))
        alphas = torch.cat([torch.tensor([first]), alphas_cumprod[list(timesteps)].float().cpu()])
        return cls(timesteps, alphas)

    def __len__(self) -> int:
        return len(self.timesteps)

    def timestep(self, level: int) -> int:
        """Return the UNet's t at a level of 1…T."""
        return self.timesteps[level - 1]

    def step(self, latents: Tensor, noise: Tensor, *, level: int) -> Tensor:
        """Denoise from `level` to `level - 1` (equation 12 with σ = 0)."""
        return move(latents, noise, self.alphas[level], self.alphas[level - 1])

    def step_each(self, latents: Tensor, noise: Tensor, *, levels: Sequence[int]) -> Tensor:
        """Do `step` for rows [b, 4, h, w], each at its own level."""
        at, below = self._alphas(latents, levels)
        return move(latents, noise, at, below)

    def stochastic_step(
        self, latents: Tensor, noise: Tensor, fresh: Tensor, *, level: int
    ) -> Tensor:
        """Denoise from `level` to `level - 1`, with fresh noise (equation 16 with η = 1)."""
        at, below = self.alphas[level], self.alphas[level - 1]
        variance = (1 - below) / (1 - at) * (1 - at / below)
        direction = (1 - below - variance).sqrt() * noise
        clean = self.clean(latents, noise, level=level)
        return below.sqrt() * clean + direction + variance.sqrt() * fresh

    def inverse_step(self, latents: Tensor, noise: Tensor, *, level: int) -> Tensor:
        """Add noise from `level - 1` to `level`: the exact inverse of `step` on the same ε."""
        return move(latents, noise, self.alphas[level - 1], self.alphas[level])

    def clean(self, latents: Tensor, noise: Tensor, *, level: int) -> Tensor:
        """Return the clean latent that ε at `level` predicts (equation 9)."""
        return (latents - (1 - self.alphas[level]).sqrt() * noise) / self.alphas[level].sqrt()

    def noise_between(self, latents: Tensor, below: Tensor, *, level: int) -> Tensor:
        """Return the ε with which `step` leads from `latents` at `level` to `below`."""
        return noise_of(latents, below, self.alphas[level], self.alphas[level - 1])[0]

    def noise_between_each(
        self, latents: Tensor, below: Tensor, *, levels: Sequence[int]
    ) -> tuple[Tensor, Tensor]:
        """Do `noise_between` for rows, each at its own level; add ε's factor in `step`, [b]."""
        noise, factor = noise_of(latents, below, *self._alphas(latents, levels))
        return noise, factor.flatten()

    def _alphas(self, latents: Tensor, levels: Sequence[int]) -> Tensor:
        """Return ᾱ at levels and at those below, [2, b, 1, 1, 1], on the latents' device."""
        alphas = self.alphas.to(latents)[[*levels, *(level - 1 for level in levels)]]
        return alphas.view(2, -1, 1, 1, 1)


def move(latents: Tensor, noise: Tensor, alpha: Tensor, alpha_to: Tensor) -> Tensor:
    """Move latents along ε from one noise level to another.

    Args:
        latents: [b, 4, h, w] at the level of `alpha`.
        noise: ε, [b, 4, h, w].
        alpha: ᾱ of the level they are at.
        alpha_to: ᾱ of the level they go to.
    """
    clean = (latents - (1 - alpha).sqrt() * noise) / alpha.sqrt()
    return alpha_to.sqrt() * clean + (1 - alpha_to).sqrt() * noise


def add_noise(clean: Tensor, noise: Tensor, schedule: Schedule, levels: Sequence[int]) -> Tensor:
    """Put a clean latent under noise at several levels: √ᾱ z_0 + √(1−ᾱ) ε (equation 4).

    Args:
        clean: z_0, [4, h, w].
        noise: ε, [rows, 4, h, w].
        schedule: T levels.
        levels: [rows].
    """
    alphas = schedule.alphas.to(noise)[list(levels)].view(-1, 1, 1, 1)
    return alphas.sqrt() * clean + (1 - alphas).sqrt() * noise


def draw_noise(like: Tensor, rows: int, generator: torch.Generator) -> Tensor:
    """Draw ε, [rows, 4, h, w]; on the CPU, so that a seed means the same on every device.

    Args:
        like: [4, h, w], of the device and dtype that ε is to have.
        rows: how many.
        generator: with the seed.
    """
    return torch.randn((rows, *like.shape), generator=generator).to(like)


def noise_of(
    latents: Tensor, moved: Tensor, alpha: Tensor, alpha_to: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the ε with which `move` leads from `latents` to `moved`, and its factor there."""
    scale = (alpha_to / alpha).sqrt()
    factor = (1 - alpha_to).sqrt() - scale * (1 - alpha).sqrt()
    return (moved - scale * latents) / factor, factor


def guide(unconditional: Tensor, conditional: Tensor, scale: float | Tensor) -> Tensor:
    """Apply classifier-free guidance (arXiv 2207.12598): ε(∅) + w (ε(c) − ε(∅))."""
    return unconditional + scale * (conditional - unconditional)
