"""The bundled model with a small UNet, for what does not depend on how well it draws."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import torch
from diffusers import UNet2DConditionModel

from baret.model.loading import BUNDLED
from baret.model.stable_diffusion import StableDiffusion
from baret.model.world import FILE

# The bundled UNet's own layout, with about an eighth of its channels, at half its native size.
NARROW = {
    "block_out_channels": (8, 8, 16, 24),
    "norm_num_groups": 4,
    "attention_head_dim": 2,
    "sample_size": 16,
}
NATIVE_SIZE = 64  # pixels
MIN_PSNR = 26.0  # dB; at this size the VAE keeps the samples to 27 to 31


def small_unet(kind: type[UNet2DConditionModel] = UNet2DConditionModel) -> UNet2DConditionModel:
    """Make the UNet, with random weights, the same ones every time.

    Args:
        kind: its class.
    """
    config = kind.load_config(BUNDLED / "zoo" / "unet")
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(0)
        unet: UNet2DConditionModel = kind.from_config({**config, **NARROW})
    return unet.eval().requires_grad_(False)


def small_model(unet: UNet2DConditionModel | None = None) -> StableDiffusion:
    """Load the bundled model, with a small UNet.

    Args:
        unet: which one; None: a new one.
    """
    model = StableDiffusion.from_pretrained("zoo", device="cpu", dtype="float32")
    model.unet, model.native_size = unet or small_unet(), NATIVE_SIZE
    model.world = replace(model.world, min_psnr=MIN_PSNR)
    return model


def small_folder(folder: Path) -> Path:
    """Write the model as a folder that diffusers loads, and return it."""
    shutil.copytree(BUNDLED / "zoo", folder, ignore=shutil.ignore_patterns("unet"))
    small_unet().save_pretrained(folder / "unet")
    world = folder / FILE
    world.write_text(json.dumps(json.loads(world.read_text()) | {"min_psnr": MIN_PSNR}))
    return folder
