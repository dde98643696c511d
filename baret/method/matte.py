"""Which pixels show the edit, and which the photo: an alpha matte from the two images alone.

H, W working height and width.

Beyond the paper. A latent pixel is several pixels wide, so an outline drawn by the latent's mask is
too coarse, and what the decoder blurs around it would show as a halo. Here the outline is drawn in
pixels. docs/decisions/0008 has what it gains.
"""

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, max_pool2d, pad

from baret.images import Alpha, Pixels

# Shares of the pixels' range.
MIN_DIFFERENCE = 0.06  # smaller differences are what decoding and guidance blur
SAME_COLOUR = 0.03  # colours nearer to each other than this count as equal
# Contrast to the surroundings, as a share of the strongest nearby: where a new thing begins, and
# where it is whole.
SOLID_FROM, SOLID_ABOVE = 0.5, 0.8


def alpha_matte(edited: Pixels, photo: Pixels, *, latent_pixel_size: int) -> Alpha:
    """Return how much of the edit to show, [H, W]: 0 is the photo, 1 the edit.

    Where the two images look alike, it is the photo. Well inside of where they differ, it is the
    edit. On the border between, a pixel is compared with the kept surroundings:

    - if the photo looks like them, the edit has only spilled over its outline: the photo;
    - if the photo does not, something stood there that was to be removed: the edit;
    - if the edit stands out nearly as much as anything nearby, it is what was requested: the edit.

    Args:
        edited: [H, W, 3], decoded.
        photo: [H, W, 3], through the same VAE, so that its losses do not count as a change.
        latent_pixel_size: side of a latent pixel, in pixels.
    """
    edit, source = (
        torch.from_numpy(p.astype(np.float32) / 255).permute(2, 0, 1) for p in (edited, photo)
    )
    near = 2 * latent_pixel_size - 1
    difference = (edit - source).abs().amax(0, keepdim=True)
    differs = (_mean(difference, latent_pixel_size + 1 | 1) > MIN_DIFFERENCE).float()
    inside = -_local_max(-differs, near)
    kept = 1 - differs
    kept_nearby = _mean(kept, near)
    surroundings = _mean(source * kept, near) / kept_nearby.clamp(min=1e-6)  # their mean colour
    before = (source - surroundings).abs().amax(0, keepdim=True)
    after = (edit - surroundings).abs().amax(0, keepdim=True)
    removed = 0.5 + 0.5 * (before - after) / (before + after + SAME_COLOUR)
    contrast = _mean(after, latent_pixel_size - 1 | 1)
    prominence = contrast / _local_max(contrast, near).clamp(min=1e-6)
    solid = ((prominence - SOLID_FROM) / (SOLID_ABOVE - SOLID_FROM)).clamp(0, 1)
    border = torch.where(kept_nearby > 0, torch.maximum(removed, solid), torch.ones_like(removed))
    alpha: Alpha = torch.maximum(inside, differs * border)[0].numpy()
    return alpha


def _mean(field: Tensor, side: int) -> Tensor:
    """Average over a square of odd side around each pixel, [c, H, W]."""
    wide = pad(field[None], (side // 2,) * 4, mode="replicate")
    return avg_pool2d(wide, side, stride=1)[0]


def _local_max(field: Tensor, side: int) -> Tensor:
    """Take the maximum over a square of odd side around each pixel, [c, H, W]."""
    return max_pool2d(field[None], side, stride=1, padding=side // 2)[0]
