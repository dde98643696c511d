"""Where the text changes the photo: a mask that needs no input, found before the edit is made.

h, w latent height and width.

Beyond the paper. The photo is put under noise and denoised with two texts: the one that describes
it, and the target. Where their predictions differ, the text changes something, be it at the
animal's old place or at its new one. Everywhere else the edit is held to the photo. The idea is
DiffEdit's (arXiv 2210.11427), which has no text that describes the photo. docs/decisions/0016 has
what it gains.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, pad

from baret.method.ddim import Schedule, add_noise, draw_noise
from baret.options import InversionOptions
from baret.unet.requests import (
    Conditioning,
    Prediction,
    Request,
    Routine,
    StageProgress,
)

# Shares of the steps whose noise hides the photo's details, and leaves where things are.
NOISE_SHARES = (0.6, 0.7, 0.8)
DRAWS = 2  # of noise, at each of them
DEPARTURE_ROWS = 2 * len(NOISE_SHARES) * DRAWS
MIN_DEPARTURE = 1e-4  # of a latent's unit variance; below it the texts say the same
LOOK_ALONE = 0.45  # mean of the relative departure; above it the text changes the look, not places


def departure(
    clean: Tensor,
    source: Conditioning,
    target: Conditioning,
    schedule: Schedule,
    options: InversionOptions,
) -> Routine[Tensor]:
    """Find how far two texts lead apart at each latent pixel, in one call.

    Args:
        clean: z_0, [4, h, w].
        source: c_src, which describes the photo.
        target: c.
        schedule: T levels.
        options: the seed of the noise.

    Returns:
        [h, w], the mean distance of the clean latents that the two predict.
    """
    levels = [max(1, round(share * len(schedule))) for share in NOISE_SHARES] * DRAWS
    generator = torch.Generator().manual_seed(options.seed)
    noise = draw_noise(clean, len(levels), generator)
    noisy = add_noise(clean, noise, schedule, levels)
    prediction: Prediction = yield Request.of(
        StageProgress("tuning", options.inner_steps, 1.0),
        torch.cat([noisy, noisy]),
        tuple(schedule.timestep(level) for level in levels) * 2,
        [source] * len(levels) + [target] * len(levels),
    )
    from_source, from_target = prediction.noise.chunk(2)
    return _clean_distance(from_target - from_source, schedule, levels)


def _clean_distance(difference: Tensor, schedule: Schedule, levels: Sequence[int]) -> Tensor:
    """Return the mean distance of two predicted clean latents, [h, w], for ε's [rows, 4, h, w]."""
    alphas = schedule.alphas.to(difference)[list(levels)].view(-1, 1, 1, 1)
    return (((1 - alphas) / alphas).sqrt() * difference).abs().mean((0, 1))


def change_mask(departed: Tensor, keep_below: float, change_above: float) -> Tensor:
    """Return 0 where the photo is kept, 1 where the edit is free, a ramp between: [h, w].

    Args:
        departed: from `departure`.
        keep_below, change_above: thresholds, as shares of its maximum once it is smoothed; equal
            ones make a hard edge.
    """
    width = max(change_above - keep_below, 1e-6)
    return ((relative_departure(departed) - keep_below) / width).clamp(0, 1)


def changes_look(departed: Tensor) -> bool:
    """Return whether the text changes how the whole picture looks, and not where things are.

    A new style leads apart everywhere alike. A posture, a thing or its colour does so in one place.

    Args:
        departed: from `departure`.
    """
    if departed.max() <= MIN_DEPARTURE:  # the texts say the same
        return False
    return float(relative_departure(departed).mean()) > LOOK_ALONE


def relative_departure(departed: Tensor) -> Tensor:
    """Smooth a departure [h, w] over 3×3 and divide it by its maximum.

    A departure that is nothing anywhere becomes 1 everywhere, so that nothing is held.
    """
    field = pad(departed[None, None], (1, 1, 1, 1), mode="replicate")
    smooth = avg_pool2d(field, 3, stride=1)[0, 0]
    peak = smooth.max()
    return smooth / peak if peak > MIN_DEPARTURE else torch.ones_like(smooth)
