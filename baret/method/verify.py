"""Whether an edit shows its text: the model is asked which of two texts explains it better.

h, w latent height and width.

Beyond the paper. The photo's inverted noise holds its layout and its brightness, and now and then
an edit stays as the photo was. Then the text that describes the photo explains the edit better than
the edit's own text does, and the edit is made again, with more guidance and then from fresh noise
where it is free. Comparing texts by how well each predicts the noise is the diffusion classifier's
way (arXiv 2303.16203). docs/decisions/0028 and 0033 have what it gains.
"""

import torch
from torch import Tensor

from baret.method.ddim import Schedule, add_noise, draw_noise
from baret.unet.requests import (
    Conditioning,
    Prediction,
    Request,
    Routine,
    StageProgress,
)

# Shares of the steps: below them, little noise hides what a text can tell.
NOISE_SHARES = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
# A text that explains the photo itself nearly as well as c_src asks for no change.
SAYS_THE_SAME = -0.15


def advantage(
    edit: Tensor, source: Conditioning, target: Conditioning, schedule: Schedule, seed: int
) -> Routine[float]:
    """Measure by how much the target text explains an edit better than the photo's, in one call.

    E ‖ε − ε_θ(z_t, t, c)‖² / ᾱ is a text's error, z_t the edit under noise.

    Args:
        edit: z_0 of the edit, [4, h, w].
        source: c_src, which describes the photo.
        target: c.
        schedule: T levels.
        seed: of the noise.

    Returns:
        error(c_src) / error(c) − 1: negative if the edit still looks like the photo.
    """
    levels = [max(1, round(share * len(schedule))) for share in NOISE_SHARES]
    noise = draw_noise(edit, len(levels), torch.Generator().manual_seed(seed))
    noisy = add_noise(edit, noise, schedule, levels)
    prediction: Prediction = yield Request.of(
        StageProgress("editing", len(schedule), 1.0),
        torch.cat([noisy, noisy]),
        tuple(schedule.timestep(level) for level in levels) * 2,
        [source] * len(levels) + [target] * len(levels),
    )
    weight = 1 / schedule.alphas.to(noise)[levels].view(-1, 1, 1, 1)
    errors = [
        float((weight * (predicted - noise).square()).mean())
        for predicted in prediction.noise.chunk(2)
    ]
    return errors[0] / errors[1] - 1


def renewed(pivots: Tensor, mask: Tensor, schedule: Schedule, seed: int) -> Tensor:
    """Return where an edit begins again: the photo's inverted noise, and fresh where it is free.

    Args:
        pivots: z*_0…z*_T, [T + 1, 4, h, w].
        mask: [h, w], 1 where the edit is free.
        schedule: T levels.
        seed: of the noise.
    """
    noise = draw_noise(pivots[0], 1, torch.Generator().manual_seed(seed))
    return torch.lerp(pivots[-1], add_noise(pivots[0], noise, schedule, [len(schedule)])[0], mask)
