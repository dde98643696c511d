"""A UNet for larger latents from one for smaller ones: new outer levels around its own.

The larger picture's structure at the old scale is what the old UNet knows, together with what the
words mean; only the new levels, and what joins them to the old, have to be learned.
"""

import re
from typing import Any

import torch
from torch import Tensor

TIME_INPUT = "time_embedding.linear_1.weight"


def grown(unet: Any, old: Any) -> int:
    """Copy the weights of an old UNet into the inner levels of a new one.

    Args:
        unet: the new UNet; weights that have no counterpart stay as they are.
        old: of at most as many levels, with the same widths from the coarsest level on.

    Returns:
        How many of the new UNet's weights were copied.

    Raises:
        ValueError: nothing of the old UNet's levels fits.
    """
    deeper = len(unet.config.block_out_channels) - len(old.config.block_out_channels)
    mine, theirs = unet.state_dict(), _shifted(old.state_dict(), deeper)
    theirs[TIME_INPUT] = _thinned(theirs[TIME_INPUT], mine[TIME_INPUT].shape[1])
    fits = {n: t for n, t in theirs.items() if n in mine and mine[n].shape == t.shape}
    if not any(name.startswith("mid_block") for name in fits):
        raise ValueError("The UNet to start from has other widths: give unet_channels its own.")
    with torch.no_grad():
        for name, tensor in fits.items():
            mine[name].copy_(tensor)
    return sum(tensor.numel() for tensor in fits.values())


def _shifted(weights: dict[str, Tensor], deeper: int) -> dict[str, Tensor]:
    """Return the weights under the names that they have with `deeper` more levels in front."""
    return {
        re.sub(r"^down_blocks\.(\d+)", lambda m: f"down_blocks.{int(m[1]) + deeper}", name): tensor
        for name, tensor in weights.items()
        if deeper == 0 or not name.startswith(("conv_in", "conv_out", "conv_norm_out"))
    }


def _thinned(weight: Tensor, width: int) -> Tensor:
    """Weights of a timestep's [cosines, sines] for an embedding of fewer frequencies.

    With half of the frequencies, each is every second of the old ones; a column takes the weights
    of its old neighbour too, whose value is much the same.
    """
    out, old = weight.shape
    if old == width or old % width:
        return weight
    return weight.view(out, 2, width // 2, old // width).sum(-1).reshape(out, width)
