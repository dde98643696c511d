"""Refining: the changed region drawn once more from part of the noise, by a stochastic sampler.

h, w latent height and width · T steps.

Beyond the paper. The photo's inverted noise leads the edit to the right layout, but it is not the
noise that the model was trained on, and what it draws is soft. So the region where the edit
differs from the photo is put under fresh noise (SDEdit, arXiv 2108.01073) and denoised again. Each
step adds new noise, which corrects the errors of the steps before (arXiv 2206.00364, section 4).
Outside the region the latent is the photo's under as much noise (arXiv 2201.09865).
docs/decisions/0029 has what it gains.
"""

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import adaptive_max_pool2d, avg_pool2d

from baret.images import Pixels
from baret.method.composition import compose
from baret.method.ddim import Schedule, add_noise, draw_noise, guide
from baret.unet.requests import (
    Conditioning,
    Prediction,
    Request,
    Routine,
    StageProgress,
)

GUIDANCE_SCALE = 2.5  # w, away from ∅; more paints the colours
SHOWN = 0.3  # of the edit; a latent pixel where less of it shows is kept
DRAWN = 0.7  # share of the editing that is done before, by the UNet's rows
SAME_OUTLINES = 0.45  # correlation of the outlines with the photo's, above which they are the same
MAX_SHARE = 0.75  # of the picture; a larger region has no layout left to hold on to


def refined_region(edited: Pixels, photo: Pixels, size: tuple[int, int]) -> Tensor | None:
    """Return 1 where an edit is refined, else 0, [h, w]; None if it is not refined.

    An edit that has the photo's outlines, as a new colour does, has their crispness too.

    Args:
        edited: [H, W, 3], decoded.
        photo: [H, W, 3], through the same VAE.
        size: (h, w) of the latents.
    """
    alpha = torch.from_numpy(compose(edited, photo).alpha)[None, None]
    shown = adaptive_max_pool2d(alpha, size) > SHOWN
    if not 0 < shown.float().mean() <= MAX_SHARE:
        return None
    changed = avg_pool2d(alpha, 2)[0, 0] > SHOWN
    outlines = torch.stack([_outlines(pixels)[changed] for pixels in (edited, photo)])
    if torch.corrcoef(outlines)[0, 1] > SAME_OUTLINES:
        return None
    return shown[0, 0].float()


def _outlines(pixels: Pixels) -> Tensor:
    """Return how much brightness changes between neighbours, at half the size: [H / 2, W / 2]."""
    gray = avg_pool2d(torch.from_numpy(pixels.astype(np.float32)).mean(-1)[None], 2)[0]
    across, down = gray.diff(dim=1, append=gray[:, -1:]), gray.diff(dim=0, append=gray[-1:])
    return torch.hypot(across, down)


def refine(
    edit: Tensor,
    photo: Tensor,
    region: Tensor,
    texts: tuple[Conditioning, Conditioning],
    schedule: Schedule,
    steps: int,
    seed: int,
) -> Routine[Tensor]:
    """Denoise the region of an edit once more: z_0, [4, h, w].

    Args:
        edit: z_0 of the edit, [4, h, w].
        photo: z_0 of the photo, [4, h, w].
        region: [h, w], 1 where it is drawn again, 0 where the photo is kept.
        texts: c̃ and ∅.
        schedule: T levels.
        steps: how many of them are run, from there to the clean latent.
        seed: of the noise.
    """
    generator = torch.Generator().manual_seed(seed)

    def fresh() -> Tensor:
        return draw_noise(photo, 1, generator)

    latents = add_noise(torch.lerp(photo, edit, region), fresh(), schedule, [steps])[0]
    for level in range(steps, 0, -1):
        done = DRAWN + (1 - DRAWN) * (steps - level) / steps
        prediction: Prediction = yield Request.of(
            StageProgress("editing", len(schedule), done),
            torch.stack([latents, latents]),
            (schedule.timestep(level),) * 2,
            texts,
        )
        toward, away = prediction.noise
        noise = guide(away, toward, GUIDANCE_SCALE)
        if level == 1:
            return torch.lerp(photo, schedule.step(latents, noise, level=1), region)
        latents = schedule.stochastic_step(latents, noise, fresh()[0], level=level)
        kept = add_noise(photo, fresh(), schedule, [level - 1])[0]
        latents = torch.lerp(kept, latents, region)
    return edit
