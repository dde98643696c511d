"""Which pixels are shown of the edit, and which are the photo's own.

H, W working height and width.

Beyond the paper. A place of the latent is several pixels wide, so an outline drawn by the latent's
mask is too coarse, and what the decoder blurs around it would show as a halo. Here the outline is
drawn in pixels, from nothing but the two pictures. docs/decisions/0008 has what it gains.
"""

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, max_pool2d, pad

from baret.images import Pixels, Share

UNSEEN = 0.06  # of the range: a difference that is smaller is what decoding and guidance blur
SOLID = (0.5, 0.8)  # of the strongest nearby: a thing of the edit's own begins and is whole
FLOOR = 0.03  # of the range: colours nearer than this are the same


def alpha_matte(edited: Pixels, photo: Pixels, *, latent_pixel_size: int) -> Share:
    """How much of the edit is shown where: 0 takes the photo, 1 the edit, [H, W].

    Where the two pictures look alike, the photo. Well inside of where they differ, the edit. At the
    border between, what stands beside it decides: the photo where it looks like what is kept
    nearby, for there the edit has only spilled over its outline; the edit where the photo does not,
    for there stood what had to go; and the edit where it stands out nearly as much as anything near
    it, for that is what was asked for.

    Args:
        edited: [H, W, 3], decoded.
        photo: [H, W, 3], through the same VAE, so that what it loses does not count as a change.
        place: pixels on a side of a place of the latent.
    """
    edit, source = (
        torch.from_numpy(p.astype(np.float32) / 255).permute(2, 0, 1) for p in (edited, photo)
    )
    near = 2 * latent_pixel_size - 1
    apart = (edit - source).abs().amax(0, keepdim=True)
    differs = (_mean(apart, latent_pixel_size + 1 | 1) > UNSEEN).float()
    inside = -_local_max(-differs, near)
    kept = 1 - differs
    weight = _mean(kept, near)
    beside = _mean(source * kept, near) / weight.clamp(min=1e-6)  # the colour of what is kept
    old = (source - beside).abs().amax(0, keepdim=True)
    new = (edit - beside).abs().amax(0, keepdim=True)
    gone = 0.5 + 0.5 * (old - new) / (old + new + FLOOR)
    stands = _mean(new, latent_pixel_size - 1 | 1)
    solid = (
        (stands / _local_max(stands, near).clamp(min=1e-6) - SOLID[0]) / (SOLID[1] - SOLID[0])
    ).clamp(0, 1)
    border = torch.where(weight > 0, torch.maximum(gone, solid), torch.ones_like(gone))
    share: Share = torch.maximum(inside, differs * border)[0].numpy()
    return share


def _mean(field: Tensor, side: int) -> Tensor:
    """Over a square of odd side around each pixel, [c, H, W]."""
    wide = pad(field[None], (side // 2,) * 4, mode="replicate")
    return avg_pool2d(wide, side, stride=1)[0]


def _local_max(field: Tensor, side: int) -> Tensor:
    """The most in a square of odd side around each pixel, [c, H, W]."""
    return max_pool2d(field[None], side, stride=1, padding=side // 2)[0]
