"""Stable Diffusion's real classes, made tiny: all four levels, few channels, random weights."""

import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel

from baret.model.layout import CONFIGS, Family, family_config
from baret.model.tokenizers import clip_tokenizer

CHANNELS = [32, 32, 64, 64]
TEXT_WIDTH = 32
VOCABULARY = 49408  # of CLIP's tokenizer


def tiny_pipeline(family: Family = "sd1", **unet: object) -> StableDiffusionPipeline:
    """Make a tiny model of a family, the same one every time.

    Args:
        family: whose classes and configurations.
        unet: what its UNet's configuration has instead.
    """
    heads = 8 if family == "sd1" else [max(1, c // 64) for c in CHANNELS]
    shrunk = {
        "block_out_channels": CHANNELS,
        "cross_attention_dim": TEXT_WIDTH,
        "attention_head_dim": heads,
        "sample_size": 64,
    }
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(0)
        return StableDiffusionPipeline(
            vae=tiny_vae(),
            text_encoder=CLIPTextModel(_text_config(family)),
            tokenizer=clip_tokenizer(pad="<|endoftext|>" if family == "sd1" else "!"),
            unet=UNet2DConditionModel.from_config(family_config(family, "unet") | shrunk | unet),
            scheduler=DDIMScheduler.from_pretrained(CONFIGS / family / "scheduler"),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )


def tiny_vae(**changed: object) -> AutoencoderKL:
    """Make a tiny VAE that halves the picture three times, as the real ones do."""
    config = family_config("sd1", "vae") | {"block_out_channels": [32] * 4, "layers_per_block": 1}
    return AutoencoderKL.from_config(config | changed)


def _text_config(family: Family) -> CLIPTextConfig:
    return CLIPTextConfig(
        **family_config(family, "text_encoder")
        | {
            "hidden_size": TEXT_WIDTH,
            "intermediate_size": 2 * TEXT_WIDTH,
            "num_hidden_layers": 1,
            "num_attention_heads": 1,
            "vocab_size": VOCABULARY,
        }
    )
