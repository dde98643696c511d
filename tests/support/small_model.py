"""The bundled model with a small UNet, for what does not depend on how well it draws."""

import torch
from diffusers import UNet2DConditionModel

from baret.model.stable_diffusion import StableDiffusion

# The bundled UNet's own layout with an eighth of its channels: some milliseconds a call.
NARROW = {"block_out_channels": (8, 16, 24), "norm_num_groups": 4, "attention_head_dim": 2}


def small_model(kind: type[UNet2DConditionModel] = UNet2DConditionModel) -> StableDiffusion:
    """Load the bundled model, with a small UNet of random weights, the same ones every time.

    Args:
        kind: the UNet's class.
    """
    model = StableDiffusion.from_pretrained("zoo", device="cpu", dtype="float32")
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(0)
        unet = kind.from_config({**model.unet.config, **NARROW})
    model.unet = unet.eval().requires_grad_(False)
    return model
