"""One call of a UNet, before any edit: what it predicts, and whether its numbers are finite.

b rows · h, w latent height and width.
"""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from baret.model.prediction import PredictionType

Verdict = PredictionType | Literal["not finite"] | None

# At the last level, pure noise: the best ε is the noise itself, while the best v is an image that
# the noise tells nothing of. Midway, noise without an image: both nets answer the noise, unless
# they were not trained on images at all. Measured over five seeds with the bundled model, which
# predicts v: 0.00 to 0.05 and 0.71 to 0.77; its answers as ε: 0.999 and 0.89 to 0.92.
LAST, MIDWAY = 999, 300
EPSILON_ABOVE, V_BELOW, TRAINED_ABOVE = 0.7, 0.4, 0.5


@torch.no_grad()
def probe(
    call: Callable[[Tensor, Tensor], Tensor], alphas: Tensor, shape: tuple[int, int, int]
) -> Verdict:
    """Call a UNet on pure noise and tell what it predicts.

    Args:
        call: returns the raw output of latents [b, 4, h, w] at timesteps [b], for the empty text.
        alphas: ᾱ by timestep.
        shape: of the latents, (4, h, w).

    Returns:
        The prediction type; None if the answers fit neither, as those of random weights do.
    """
    last, midway = len(alphas) - 1, (len(alphas) - 1) * MIDWAY // LAST
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(alphas.device)
    rows = torch.stack([noise, (1 - alphas[midway]).sqrt() * noise])
    output = call(rows, torch.tensor([last, midway], device=alphas.device)).float()
    if not torch.isfinite(output).all():
        return "not finite"
    likeness = cosine_similarity(output.flatten(1), noise.flatten()[None])
    if likeness[1] < TRAINED_ABOVE:
        return None
    if likeness[0] > EPSILON_ABOVE:
        return "epsilon"
    return "v_prediction" if likeness[0] < V_BELOW else None
