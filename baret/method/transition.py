"""Transition: from the text that describes the photo towards the target text.

T steps · n tokens · d text width · η share of the way.
"""

import torch
from torch import Tensor

# Halfway between the texts next to nothing of a photo changes. With this exponent the share of
# edits that are changed grows about evenly with the strength (docs/decisions/0032).
_EXPONENT = 0.4


def eta_of(strength: float) -> float:
    """Return the share η of the way between the texts, for a strength from 0 to 1."""
    return float(strength**_EXPONENT)


def transition(tuned: Tensor, target: Tensor, eta: float) -> Tensor:
    """Mix a text tuned to the photo with the target: c̃ = (1 − η) c_src + η c.

    Args:
        tuned: c_src, [1, n, d]; in the paper's form c_t, [T, n, d].
        target: c, [n, d].
        eta: η; 0 keeps the photo, 1 follows the text.

    Returns:
        c̃, of the shape of `tuned`.
    """
    return torch.lerp(tuned, target.expand_as(tuned), eta)
