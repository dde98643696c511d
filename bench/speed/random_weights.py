"""Stable Diffusion with random weights: as large and slow as the real one, without a download.

Its images are noise, so losses mean nothing and stopping rules must be switched off.
"""

from pathlib import Path

import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from baret.model.layout import CONFIGS
from baret.model.tokenizers import clip_tokenizer

SD15, SDXL = CONFIGS / "sd1", CONFIGS / "sdxl"
SEED = 0


def random_pipeline(configs: Path = SD15) -> StableDiffusionPipeline | StableDiffusionXLPipeline:
    """Make an architecture with random weights in float16, the same ones every time.

    Args:
        configs: a folder like those in `baret/configs`, of a model with CLIP's tokenizer; with a
            second text encoder, it is Stable Diffusion XL's.
    """
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(SEED)
        parts = {
            "vae": AutoencoderKL.from_config(AutoencoderKL.load_config(configs / "vae")),
            "unet": UNet2DConditionModel.from_config(
                UNet2DConditionModel.load_config(configs / "unet")
            ),
            "text_encoder": CLIPTextModel(CLIPTextConfig.from_pretrained(configs / "text_encoder")),
            "tokenizer": clip_tokenizer(pad="<|endoftext|>"),
            "scheduler": DDIMScheduler.from_pretrained(configs / "scheduler"),
        }
        second = configs / "text_encoder_2"
        if second.is_dir():
            encoder = CLIPTextModelWithProjection(CLIPTextConfig.from_pretrained(second))
            parts |= {"text_encoder_2": encoder, "tokenizer_2": clip_tokenizer(pad="!")}
            pipeline = StableDiffusionXLPipeline(**parts, add_watermarker=False)
        else:
            pipeline = StableDiffusionPipeline(
                **parts, safety_checker=None, feature_extractor=None, requires_safety_checker=False
            )
    return pipeline.to(torch.float16)


def random_folder(folder: Path, configs: Path = SD15) -> Path:
    """Return the diffusers folder of `random_pipeline`; it is made if it does not exist."""
    if not folder.is_dir():
        partial = folder.with_name(folder.name + ".partial")
        random_pipeline(configs).save_pretrained(partial)
        partial.rename(folder)
    return folder
