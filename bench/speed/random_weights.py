"""Stable Diffusion with random weights: as large and slow as the real one, without a download.

Its images are noise, so losses mean nothing and stopping rules must be switched off.
"""

from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel

from baret.model.layout import CONFIGS
from baret.model.tokenizers import clip_tokenizer

SD15 = CONFIGS / "sd1"
SEED = 0


def random_pipeline(configs: Path = SD15) -> StableDiffusionPipeline:
    """Make an architecture with random weights in float16, the same ones every time.

    Args:
        configs: a folder like those in `baret/configs`, of a model with CLIP's tokenizer.
    """
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(SEED)
        pipeline = StableDiffusionPipeline(
            vae=AutoencoderKL.from_config(AutoencoderKL.load_config(configs / "vae")),
            text_encoder=CLIPTextModel(CLIPTextConfig.from_pretrained(configs / "text_encoder")),
            tokenizer=clip_tokenizer(pad="<|endoftext|>"),
            unet=UNet2DConditionModel.from_config(
                UNet2DConditionModel.load_config(configs / "unet")
            ),
            scheduler=DDIMScheduler.from_pretrained(configs / "scheduler"),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
    return pipeline.to(torch.float16)


def random_folder(folder: Path, configs: Path = SD15) -> Path:
    """Return the diffusers folder of `random_pipeline`; it is made if it does not exist."""
    if not folder.is_dir():
        partial = folder.with_name(folder.name + ".partial")
        random_pipeline(configs).save_pretrained(partial)
        partial.rename(folder)
    return folder
