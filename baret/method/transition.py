"""Progressive transition: from the embedding tuned to the photo towards the target text's own.

T steps · n tokens · d text width.
"""

import torch
from torch import Tensor


def transition(tuned: Tensor, target: Tensor, start: float, end: float | None = None) -> Tensor:
    """Mix the tuned text with the target: c̃_t = (1 − η_t) c_t + η_t c, for every timestep.

    Args:
        tuned: c_t, [T, n, d], index 0 the cleanest level.
        target: c, [n, d].
        start: η at the noisiest level; 0 keeps the photo, 1 follows the text.
        end: η at the cleanest level, reached linearly; None keeps `start` at every level.

    Returns:
        [T, n, d].
    """
    last = start if end is None else end
    eta = torch.linspace(last, start, len(tuned), dtype=tuned.dtype, device=tuned.device)
    return torch.lerp(tuned, target.expand_as(tuned), eta[:, None, None])
