"""The edit laid over its photo: which pixels show which, and no seam between them.

H, W working height and width.

Beyond the paper. The edit is shown wherever it differs from the photo, and a little beyond, so that
it keeps its own outline and nothing of the old posture stays. The photo's own pixels are kept
everywhere else, where no VAE blurs them. docs/decisions/0016 has what it gains.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, conv2d, interpolate, max_pool2d, pad

from baret.images import Alpha, Pixels

# Of the pixels' range. Smaller differences are what decoding and guidance blur; where the text
# changes the photo, as a new place does its sky, smaller ones count too.
MIN_DIFFERENCE, MIN_WHERE_CHANGED = 0.1, 0.04
# Of the shorter side.
MARGIN = 0.03  # by which the edit is shown beyond where it differs
SOFTNESS = 0.025  # σ of the border between the two
RING = 0.1  # σ of the surroundings that the edit's colours are matched to
MAX_SIGMA = 16.0  # pixels; wider Gaussians are applied to a smaller copy
MIN_KEPT = 0.02  # share of kept pixels around a pixel; with fewer, its colour is not matched


@dataclass(frozen=True)
class Composition:
    """An edit, and how much of it to show."""

    edited: Pixels  # [H, W, 3], its colours matched to the kept surroundings
    alpha: Alpha  # [H, W], 0 shows the photo, 1 the edit


def compose(edited: Pixels, photo: Pixels, mask: Tensor | None = None) -> Composition:
    """Choose the pixels that show the edit, and match its colours to the photo around them.

    Args:
        edited: [H, W, 3], decoded.
        photo: [H, W, 3], through the same VAE, so that its losses do not count as a change.
        mask: [h, w], 1 where the text changes the photo, 0 where it does not; None if unknown.
    """
    edit, source = _planes(edited), _planes(photo)
    side = min(edit.shape[-2:])
    known = torch.zeros(1, 1) if mask is None else mask.float().cpu()
    changed = interpolate(known[None, None], edit.shape[-2:], mode="bilinear")
    region = shown_region((edit - source).abs().amax(1, keepdim=True), changed, side)
    alpha = ((_blur(region, SOFTNESS * side) - 0.15) / 0.7).clamp(0, 1)
    pixels = _pixels(edit + _drift(edit, source, 1 - region))
    shown: Alpha = alpha[0, 0].numpy()
    return Composition(pixels, shown)


def match_colors(edited: Pixels, photo: Pixels, alpha: Alpha) -> Pixels:
    """Match the colours of an edit to the photo around it, wherever any of the photo is kept.

    Args:
        edited: [H, W, 3].
        photo: [H, W, 3].
        alpha: [H, W], 0 where the photo is shown alone.
    """
    kept = torch.from_numpy((alpha == 0).astype(np.float32))[None, None]
    edit = _planes(edited)
    return _pixels(edit + _drift(edit, _planes(photo), kept))


def _drift(edit: Tensor, photo: Tensor, kept: Tensor) -> Tensor:
    """Return how much brighter the photo is than the edit in the kept surroundings, [1, 3, H, W].

    Args:
        edit: [1, 3, H, W], 0–1.
        photo: [1, 3, H, W], 0–1.
        kept: [1, 1, H, W], 1 where the photo is shown alone.
    """
    sigma = RING * min(edit.shape[-2:])
    weight = _blur(kept, sigma)
    drift = _blur(kept * (photo - edit), sigma) / weight.clamp(min=MIN_KEPT)
    return torch.where(weight > MIN_KEPT, drift, torch.zeros_like(drift))


def shown_region(difference: Tensor, changed: Tensor, side: int) -> Tensor:
    """Return 1 where the edit is shown, else 0, [1, 1, H, W].

    Gaps of a pixel are closed, and the region is grown by the margin.

    Args:
        difference: [1, 1, H, W], 0–1.
        changed: [1, 1, H, W], 0–1, where the text changes the photo.
        side: the shorter side, in pixels.
    """
    enough = MIN_DIFFERENCE + (MIN_WHERE_CHANGED - MIN_DIFFERENCE) * changed
    differs = (_mean(difference, 3) > enough).float()
    closed = -_local_max(-_local_max(differs, 1), 1)
    return _local_max(closed, max(1, round(MARGIN * side)))


def _planes(pixels: Pixels) -> Tensor:
    """Return pixels [H, W, 3] as [1, 3, H, W], 0–1."""
    return torch.from_numpy(pixels.astype(np.float32) / 255).permute(2, 0, 1)[None]


def _pixels(planes: Tensor) -> Pixels:
    """Return planes [1, 3, H, W], 0–1, as pixels [H, W, 3]."""
    pixels: Pixels = (planes.clamp(0, 1)[0].permute(1, 2, 0) * 255).round().byte().numpy()
    return pixels


def _mean(field: Tensor, width: int) -> Tensor:
    """Average over a square of odd width around each pixel, [1, c, H, W]."""
    return avg_pool2d(pad(field, (width // 2,) * 4, mode="replicate"), width, stride=1)


def _local_max(field: Tensor, reach: int) -> Tensor:
    """Take the maximum over a square around each pixel, [1, c, H, W]."""
    width = 2 * reach + 1
    across = max_pool2d(field, (1, width), stride=1, padding=(0, reach))
    return max_pool2d(across, (width, 1), stride=1, padding=(reach, 0))


def _blur(field: Tensor, sigma: float) -> Tensor:
    """Blur with a Gaussian of σ in pixels, [1, c, H, W].

    A wide one is applied to a smaller copy, in which it is just as wide relative to the field: at
    1024 pixels that takes a fraction of a second instead of thirteen.
    """
    if sigma > MAX_SIGMA:
        height, width = field.shape[-2:]
        share = MAX_SIGMA / 2 / sigma
        size = (max(1, round(height * share)), max(1, round(width * share)))
        small = _blur(interpolate(field, size, mode="area"), sigma * size[0] / height)
        return interpolate(small, (height, width), mode="bilinear")
    reach = max(1, int(3 * sigma))
    offsets = torch.arange(-reach, reach + 1, dtype=field.dtype)
    window = torch.exp(-offsets.square() / (2 * sigma**2))
    window = (window / window.sum()).expand(field.shape[1], 1, 1, -1)
    wide = pad(field, (reach,) * 4, mode="replicate")
    across = conv2d(wide, window, groups=field.shape[1])
    return conv2d(across, window.transpose(-1, -2), groups=field.shape[1])
