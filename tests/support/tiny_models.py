"""Stable Diffusion's real classes, made tiny: all four levels, few channels, random weights."""

import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from PIL import Image
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from baret.model.layout import CONFIGS, Family, family_config
from baret.model.tokenizers import clip_tokenizer

CHANNELS = [32, 32, 64, 64]
TEXT_WIDTH = 32
VOCABULARY = 49408  # of CLIP's tokenizer
# Of the tiny Stable Diffusion XL: its second text encoder, and the text that it pools.
SECOND_WIDTH, POOLED_WIDTH = 64, 48


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


def tiny_xl_pipeline(**unet: object) -> StableDiffusionXLPipeline:
    """Make a tiny Stable Diffusion XL, with the depths of the real one, the same one every time.

    Args:
        unet: what its UNet's configuration has instead.
    """
    shrunk = {
        "block_out_channels": CHANNELS[1:],
        "cross_attention_dim": TEXT_WIDTH + SECOND_WIDTH,
        "attention_head_dim": [max(1, c // 64) for c in CHANNELS[1:]],
        "projection_class_embeddings_input_dim": 6 * 256 + POOLED_WIDTH,
    }
    first = _text_config("sdxl", num_hidden_layers=2)
    second = _text_config(
        "sdxl",
        "text_encoder_2",
        num_hidden_layers=2,
        hidden_size=SECOND_WIDTH,
        projection_dim=POOLED_WIDTH,
    )
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(0)
        return StableDiffusionXLPipeline(
            vae=tiny_vae("sdxl"),
            text_encoder=CLIPTextModel(first),
            text_encoder_2=CLIPTextModelWithProjection(second),
            tokenizer=clip_tokenizer(pad="<|endoftext|>"),
            tokenizer_2=clip_tokenizer(pad="!"),
            unet=UNet2DConditionModel.from_config(family_config("sdxl", "unet") | shrunk | unet),
            scheduler=DDIMScheduler.from_pretrained(CONFIGS / "sdxl" / "scheduler"),
            add_watermarker=False,
        )


def small_photo() -> Image.Image:
    """Make an image of 64×64 pixels, the native size of a tiny model with `sample_size=8`."""
    return Image.linear_gradient("L").convert("RGB").resize((64, 64))


def tiny_vae(family: Family = "sd1", **changed: object) -> AutoencoderKL:
    """Make a tiny VAE that halves the picture three times, as the real ones do."""
    config = family_config(family, "vae") | {"block_out_channels": [32] * 4, "layers_per_block": 1}
    return AutoencoderKL.from_config(config | changed)


def _text_config(family: Family, folder: str = "text_encoder", **changed: object) -> CLIPTextConfig:
    return CLIPTextConfig(
        **family_config(family, folder)
        | {
            "hidden_size": TEXT_WIDTH,
            "intermediate_size": 2 * TEXT_WIDTH,
            "num_hidden_layers": 1,
            "num_attention_heads": 1,
            "vocab_size": VOCABULARY,
        }
        | changed
    )


@torch.no_grad()
def answer_the_noise(unet: UNet2DConditionModel) -> None:
    """Set a UNet's weights so that it answers its input, as one that predicts ε does in noise.

    The input goes to the last layer by the outermost skip connection, with both signs, since
    silu(x) − silu(−x) = x.
    """
    for name, parameter in unet.named_parameters():
        parameter.fill_(1.0 if "norm" in name and name.endswith("weight") else 0.0)
    width = unet.conv_out.in_channels
    last = unet.up_blocks[-1].resnets[-1].conv_shortcut
    for channel in range(width):
        last.weight[channel, width + channel] = 1.0
    for channel in range(4):
        for sign, place in ((1.0, channel), (-1.0, channel + 4)):
            unet.conv_in.weight[place, channel, 1, 1] = sign
            unet.conv_out.weight[channel, place, 1, 1] = sign
