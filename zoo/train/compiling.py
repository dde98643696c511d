"""Compiles modules for training and works around a bug in torch.compile."""

from typing import Any

import torch
from diffusers.models.upsampling import Upsample2D
from torch import Tensor, nn


def compiled(module: nn.Module) -> Any:
    """Return a compiled form that shares the module's weights and has the same gradients.

    After a normalisation, the compiled backward of `interpolate(mode="nearest")` loses the gradient
    (torch 2.13 on a CPU: the layers before a VAE's upsampling learned nothing at all). So the
    module's upsampling layers now repeat the pixels themselves, with the same result. Even so, the
    biases of two layer norms in the UNet had gradients three times too long.
    """
    for part in module.modules():
        if isinstance(part, Upsample2D) and part.interpolate:
            part.interpolate = False
            part.register_forward_pre_hook(_doubled)
    return torch.compile(module)


def _doubled(layer: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the layer's inputs with the picture doubled: [b, c, h, w] → [b, c, 2h, 2w]."""
    image: Tensor = inputs[0]
    repeated = image[:, :, :, None, :, None].expand(-1, -1, -1, 2, -1, 2)
    return (repeated.flatten(4, 5).flatten(2, 3), *inputs[1:])
