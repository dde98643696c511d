"""Transition: from the text that describes the photo towards the target text. η is the strength.

T steps · n tokens · d text width.
"""

import torch
from torch import Tensor


def transition(tuned: Tensor, target: Tensor, strength: float) -> Tensor:
    """Mix a text tuned to the photo with the target: c̃ = (1 − η) c_src + η c.

    Args:
        tuned: c_src, [1, n, d]; in the paper's form c_t, [T, n, d].
        target: c, [n, d].
        strength: η; 0 keeps the photo, 1 follows the text.

    Returns:
        c̃, of the shape of `tuned`.
    """
    return torch.lerp(tuned, target.expand_as(tuned), strength)
