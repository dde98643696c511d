"""DDIM inversion: the pivots, a photo's way from its clean latent to noise.

T steps · h, w latent height and width.
"""

import torch
from torch import Tensor

from baret.method.ddim import Schedule
from baret.unet.requests import (
    Conditioning,
    Prediction,
    Request,
    Routine,
    StageProgress,
)


def invert(clean: Tensor, text: Conditioning, schedule: Schedule) -> Routine[Tensor]:
    """Run DDIM inversion at guidance 1.

    Args:
        clean: z_0, [4, h, w].
        text: c_src, which describes the photo; in the paper's form ∅.
        schedule: T levels.

    Returns:
        z*_0…z*_T, [T + 1, 4, h, w].
    """
    pivots = [clean]
    for level in range(1, len(schedule) + 1):
        prediction: Prediction = yield Request.of(
            StageProgress("inverting", level - 1, (level - 1) / len(schedule)),
            pivots[-1][None],
            (schedule.timestep(level),),
            [text],
        )
        pivots.append(schedule.inverse_step(pivots[-1][None], prediction.noise, level=level)[0])
    return torch.stack(pivots)
