"""Starts a UNet for larger latents from one for smaller latents, with new outer levels.

The old UNet knows the picture's structure at the old scale and the meaning of the words. Only the
new levels, and the weights that join them to the old ones, must be learned.
"""

import re
from typing import Any

import torch
from torch import Tensor

TIME_INPUT = "time_embedding.linear_1.weight"


def grown(unet: Any, old: Any) -> int:
    """Copy the weights of an old UNet into the inner levels of a new one.

    Args:
        unet: the new UNet; weights without a counterpart stay unchanged.
        old: a UNet with at most as many levels and, from the coarsest level on, the same widths.

    Returns:
        The number of weights copied.

    Raises:
        ValueError: the widths of the old UNet do not fit.
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
    """Return the weights under their names in a UNet with `deeper` more outer levels."""
    return {
        re.sub(r"^down_blocks\.(\d+)", lambda m: f"down_blocks.{int(m[1]) + deeper}", name): tensor
        for name, tensor in weights.items()
        if deeper == 0 or not name.startswith(("conv_in", "conv_out", "conv_norm_out"))
    }


def _thinned(weight: Tensor, width: int) -> Tensor:
    """Return weights for a timestep's [cosines, sines] with fewer frequencies.

    With half as many frequencies, the new ones are every second of the old. Each column also adds
    the weights of its old neighbour, because the neighbour's input is nearly the same.
    """
    out, old = weight.shape
    if old == width or old % width:
        return weight
    return weight.view(out, 2, width // 2, old // width).sum(-1).reshape(out, width)
