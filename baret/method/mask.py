"""Where an edit keeps the photo: a mask that needs no input, found while the edit is made.

h, w latent height and width · T steps.

Beyond the paper. In the noisiest half of the steps the edit is free, and the layout is decided
there. At each of these steps the edit predicts a clean latent, and the pivots predict the photo's.
Where the two differ, the text has changed something, be it at the animal's old place or at its new
one. From then on the edit is held to the pivots everywhere else. It costs no call of the UNet.
docs/decisions/0005 has what it gains.
"""

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, pad

from baret.method.ddim import Schedule

FREE_SHARE = 0.5  # share of the steps, from the noisiest, in which nothing is held
MIN_DEPARTURE = 1e-4  # of a latent's unit variance; below it the edit is still the photo


class ChangeMask:
    """Observes where an edit departs from the photo, then holds it to the photo elsewhere.

    Attributes:
        mask: [h, w], 0 where the photo is kept, 1 where the edit is free; None while observing.
    """

    def __init__(self, pivots: Tensor, schedule: Schedule, thresholds: tuple[float, float]):
        """Keep the photo of these pivots, [T + 1, 4, h, w]; thresholds as in `change_mask`."""
        self._pivots, self._schedule, self._thresholds = pivots, schedule, thresholds
        self._departed = torch.zeros_like(pivots[0, 0])
        self._last_observed = len(schedule) - max(1, round(FREE_SHARE * len(schedule))) + 1
        self.mask: Tensor | None = None

    def observe(self, latents: Tensor, noise: Tensor, *, level: int) -> None:
        """Add what the edit predicts at a level: latents and guided ε, [4, h, w] each."""
        if self.mask is not None:
            return
        schedule, pivot = self._schedule, self._pivots[level]
        pivot_noise = schedule.noise_between(pivot, self._pivots[level - 1], level=level)
        edited = schedule.clean(latents, noise, level=level)
        photo = schedule.clean(pivot, pivot_noise, level=level)
        self._departed += (edited - photo).abs().mean(0)
        if level <= self._last_observed:
            self.mask = change_mask(relative_departure(self._departed), *self._thresholds)

    def apply(self, latents: Tensor, *, level: int) -> Tensor:
        """Put the edit's latents [4, h, w] at a level on the pivot where the photo is kept."""
        if self.mask is None:
            return latents
        return torch.lerp(self._pivots[level], latents, self.mask)


def relative_departure(departed: Tensor) -> Tensor:
    """Smooth a departure [h, w] over 3×3 and divide it by its maximum.

    A departure that is nothing anywhere becomes 1 everywhere, so that nothing is held.
    """
    field = pad(departed[None, None], (1, 1, 1, 1), mode="replicate")
    smooth = avg_pool2d(field, 3, stride=1)[0, 0]
    peak = smooth.max()
    return smooth / peak if peak > MIN_DEPARTURE else torch.ones_like(smooth)


def change_mask(departure: Tensor, keep_below: float, change_above: float) -> Tensor:
    """Return 0 where the photo is kept, 1 where the edit is free, a ramp between: [h, w].

    Args:
        departure: from `relative_departure`, 0–1.
        keep_below, change_above: thresholds on it; equal ones make a hard edge.
    """
    width = max(change_above - keep_below, 1e-6)
    return ((departure - keep_below) / width).clamp(0, 1)
