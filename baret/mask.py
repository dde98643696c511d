"""Where the text wants a change: a mask without a mask, so that the rest can be kept.

b rows · n tokens · d text width · h, w latent height and width · T steps.

Beyond the paper. |ε(c) − ε(c_t)| along the pivots is large where the target text disagrees with
the photo: at the animal for another posture, at the surroundings for another place. DiffEdit
(arXiv 2210.11427) contrasts a source and a target caption in this way; here the tuned embedding
stands for the source, so no caption is needed. docs/decisions/0003 has what it gains.
"""

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, pad

from baret.ddim import Schedule
from baret.engine import Edit, Request, Where

MIDDLE = (0.3, 0.8)  # share of the levels looked at: below, details; above, nothing is decided
LOOKS = 12  # levels looked at, at most
UNTOLD = 1e-4  # of ε's unit variance: below it c_t is still c, and the two tell nothing


def predicted_change(
    pivots: Tensor, target: Tensor, tuned: Tensor, schedule: Schedule
) -> Edit[Tensor]:
    """How much the text wants changed at each place: [h, w] float32, 0–1, the most being 1.

    Where nothing was tuned it cannot be told, and is 1 everywhere: then nothing is kept.

    Args:
        pivots: [T + 1, 4, h, w].
        target: c, [n, d].
        tuned: c_t, [T, n, d], index 0 the cleanest level.
        schedule: T levels.
    """
    count = len(schedule)
    low, high = (max(1, round(share * count)) for share in MIDDLE)
    levels = sorted({round(x) for x in torch.linspace(low, high, LOOKS).tolist()})
    total = torch.zeros_like(pivots[0, 0])
    for level in levels:
        answer = yield Request(
            Where("tuning", count, 1.0),
            pivots[level].expand(2, -1, -1, -1),
            schedule.timestep(level),
            torch.stack([target, tuned[level - 1]]),
        )
        total += (answer.noise[0] - answer.noise[1]).abs().mean(0)
    smooth = _smooth(total / len(levels))
    peak = smooth.max()
    return smooth / peak if peak > UNTOLD else torch.ones_like(smooth)


def _smooth(field: Tensor) -> Tensor:
    """The mean over each place's 3×3 neighbours, [h, w]."""
    return avg_pool2d(pad(field[None, None], (1, 1, 1, 1), mode="replicate"), 3, stride=1)[0, 0]


def change_mask(change: Tensor, keep_below: float, change_above: float) -> Tensor:
    """0 where the photo is kept, 1 where the edit is free, a ramp between: [h, w].

    Args:
        change: of `predicted_change`.
        keep_below, change_above: thresholds on it; equal ones make a hard edge.
    """
    width = max(change_above - keep_below, 1e-6)
    return ((change - keep_below) / width).clamp(0, 1)
