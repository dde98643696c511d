"""The original layout of single files: which parts a file has, and what their shapes are.

A file holds weights alone. How many levels, layers and channels each part has follows from the
names and shapes of its tensors, so that small variants (BK-SDM, Segmind) load like the whole ones.
What no shape tells (activations, groups, widths of heads) is a family's, in `baret/configs`.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, Literal

from baret.errors import UnsupportedModel
from baret.model.header import Header

CONFIGS = Path(__file__).parents[1] / "configs"
UNET, VAE, EMA = "model.diffusion_model.", "first_stage_model.", "model_ema."
CLIP, OPEN_CLIP = "cond_stage_model.transformer.", "cond_stage_model.model."
# Stable Diffusion XL has one of each.
XL_CLIP, XL_OPEN_CLIP = "conditioner.embedders.0.transformer.", "conditioner.embedders.1.model."
# The text encoder of Stable Diffusion 2 reads the last but one of OpenCLIP's 24 layers. Some
# files leave the last one out.
OPEN_CLIP_LAYERS = 23
HEAD_WIDTH = 64  # of the UNets of Stable Diffusion 2 and XL, and of CLIP's text encoders
SIZE_IDS, SIZE_WIDTH = 6, 256  # what Stable Diffusion XL's UNet takes of sizes: so many, so wide

FAMILY_NAMES = {
    "sd1": "Stable Diffusion 1.x",
    "sd2": "Stable Diffusion 2.x",
    "sdxl": "Stable Diffusion XL",
}
SUPPORTED = "Stable Diffusion 1.x, 2.x or XL"
Family = Literal["sd1", "sd2", "sdxl"]
# By the width of the texts that the UNet attends to.
FAMILY_OF_WIDTH = {
    768: FAMILY_NAMES["sd1"],
    1024: FAMILY_NAMES["sd2"],
    1280: "the refiner of Stable Diffusion XL",
    2048: FAMILY_NAMES["sdxl"],
}
Config = dict[str, Any]

_CROSS = re.compile(r"attn2\.to_k\.weight$")
_DEPTH = re.compile(r"\.1\.transformer_blocks\.\d+\.norm1\.weight$")
_COND_PROJ = re.compile(r"^time_embed(ding)?\.cond_proj\.weight$")


@dataclass(frozen=True)
class Parts:
    """The parts of a single file, each as a header without its prefix."""

    unet: Header
    vae: Header
    clip: Header
    open_clip: Header
    is_xl: bool = False  # whether its texts are encoded as those of Stable Diffusion XL

    @classmethod
    def of(cls, header: Header) -> "Parts":
        """Split a file's header."""
        unet = header.part(UNET)
        if not unet.tensors:
            unet = header.renamed(ema_names(header)).part(UNET)
        vae = header.part(VAE)
        clip, open_clip = header.part(XL_CLIP), header.part(XL_OPEN_CLIP)
        is_xl = bool(clip.tensors or open_clip.tensors)
        if not is_xl:
            clip, open_clip = header.part(CLIP), header.part(OPEN_CLIP)
        return cls(unet, vae if vae.tensors else header.part("vae."), clip, open_clip, is_xl=is_xl)

    @property
    def cross_width(self) -> int | None:
        """The width of the texts that the UNet attends to."""
        return next((i.shape[1] for n, i in self.unet.tensors.items() if _CROSS.search(n)), None)

    @property
    def family(self) -> Family | None:
        """The family, by the text encoder or, without one, by the width of its texts."""
        if self.is_xl:
            return "sdxl"
        if self.open_clip.tensors:
            return "sd2"
        if self.clip.tensors:
            return "sd1"
        widths: dict[int | None, Family] = {768: "sd1", 1024: "sd2", 2048: "sdxl"}
        return widths.get(self.cross_width)

    @property
    def missing(self) -> tuple[str, ...]:
        """The names of parts that the file does not have."""
        parts = {"UNet": self.unet, "VAE": self.vae, **self.text_parts}
        return tuple(name for name, header in parts.items() if not header.tensors)

    @property
    def text_parts(self) -> dict[str, Header]:
        """The text encoders by name: one, or two of Stable Diffusion XL."""
        if self.is_xl:
            return {"text encoder": self.clip, "second text encoder": self.open_clip}
        return {"text encoder": self.open_clip if self.open_clip.tensors else self.clip}

    @property
    def encoder_widths(self) -> tuple[int, ...]:
        """The width of each text encoder, as far as it is there."""
        names = ("token_embedding.weight", "embeddings.token_embedding.weight")
        found = (
            next((i.shape[1] for n, i in header.tensors.items() if n.endswith(names)), None)
            for header in self.text_parts.values()
        )
        return tuple(width for width in found if width is not None)


def unet_config(unet: Header, family: Family, *, sample_size: int | None) -> Config:
    """Return diffusers' configuration of a UNet in the original layout.

    Raises:
        UnsupportedModel: its levels do not fit together.
    """
    levels = _unet_levels(unet)
    channels = [level.channels for level in levels]
    attends = [level.attends for level in levels]
    layers = {level.layers for level in levels}
    conv_in, conv_out = unet.shape("input_blocks.0.0.weight"), unet.shape("out.2.weight")
    if len(layers) != 1 or conv_in is None or conv_out is None:
        raise UnsupportedModel("The UNet lacks weights, or its levels have different layers.")
    linear = any(
        n.endswith("proj_in.weight") and len(i.shape) == 2 for n, i in unet.tensors.items()
    )
    width = next((i.shape[1] for n, i in unet.tensors.items() if _CROSS.search(n)), None)
    cond = next((i.shape[1] for n, i in unet.tensors.items() if _COND_PROJ.search(n)), None)
    return (
        family_config(family, "unet")
        | _xl_config(unet, family, levels)
        | {
            "in_channels": conv_in[1],
            "out_channels": conv_out[0],
            "block_out_channels": channels,
            "layers_per_block": layers.pop(),
            "down_block_types": ["CrossAttnDownBlock2D" if a else "DownBlock2D" for a in attends],
            "up_block_types": ["CrossAttnUpBlock2D" if a else "UpBlock2D" for a in attends[::-1]],
            "mid_block_type": "UNetMidBlock2DCrossAttn"
            if unet.part("middle_block.").tensors
            else None,
            "cross_attention_dim": width,
            # Stable Diffusion 1 has eight heads everywhere; the name is a mistake of diffusers'.
            "attention_head_dim": [max(1, c // HEAD_WIDTH) for c in channels] if linear else 8,
            "use_linear_projection": linear,
            "time_cond_proj_dim": cond,
            "sample_size": sample_size,
        }
    )


def _xl_config(unet: Header, family: Family, levels: list["_Level"]) -> Config:
    """Return what only the UNets of Stable Diffusion XL have: deep levels, and sizes."""
    if family != "sdxl":
        return {}
    labels = unet.shape("label_emb.0.0.weight")
    depths = [level.depth for level in levels]
    if labels is None:
        raise UnsupportedModel("The UNet lacks label_emb, which takes the pooled text and sizes.")
    return {
        "transformer_layers_per_block": depths,
        "projection_class_embeddings_input_dim": labels[1],
    }


@dataclass(frozen=True)
class _Level:
    channels: int
    layers: int
    attends: bool
    depth: int  # transformer blocks of a layer that attends; else 1


def _unet_levels(unet: Header) -> list[_Level]:
    """Return the levels of the encoder, which end with a downsampler each."""
    blocks = block_numbers(unet, "input_blocks")[1:]  # the first is the input convolution
    level_of = [0] * len(blocks)
    for i, block in enumerate(blocks[:-1]):
        down = f"input_blocks.{block}.0.op.weight" in unet
        level_of[i + 1] = level_of[i] + down
    levels = []
    for _, numbers in groupby(zip(level_of, blocks, strict=True), key=lambda pair: pair[0]):
        found = [f"input_blocks.{block}." for _, block in numbers]
        convolutions = [unet.shape(f"{block}0.in_layers.2.weight") for block in found]
        sizes = [shape[0] for shape in convolutions if shape is not None]
        if not sizes:
            raise UnsupportedModel("The UNet has a level without layers.")
        attends = any(f"{block}1.norm.weight" in unet for block in found)
        levels.append(_Level(sizes[0], len(sizes), attends, _depth(unet, found)))
    return levels


def _depth(unet: Header, blocks: list[str]) -> int:
    """Return how many transformer blocks a level's layers have.

    Raises:
        UnsupportedModel: not all of them have as many.
    """
    names = [name for name in unet if _DEPTH.search(name)]
    depths = {sum(name.startswith(block) for name in names) for block in blocks} - {0}
    if len(depths) > 1:
        raise UnsupportedModel(
            "The UNet has layers of different depths in one level, as SSD-1B and Vega have; give "
            "the model as a diffusers folder."
        )
    return depths.pop() if depths else 1


def block_numbers(names: Header | Mapping[str, Any], side: str) -> list[int]:
    """Return the numbers of the blocks named `side.N`, in order; some files leave gaps."""
    found = (re.match(rf"{side}\.(\d+)\.", name) for name in names)
    return sorted({int(match[1]) for match in found if match})


def vae_config(vae: Header, family: Family) -> Config:
    """Return diffusers' configuration of a VAE in the original layout.

    The family gives the scale of its latents, which no shape tells.

    Raises:
        UnsupportedModel: it lacks weights.
    """
    blocks = re.compile(r"^encoder\.down\.(\d+)\.block\.(\d+)\.conv1\.weight$")
    found = {(int(m[1]), int(m[2])): i for n, i in vae.tensors.items() if (m := blocks.match(n))}
    latent = vae.shape("decoder.conv_in.weight")
    if not found or latent is None:
        raise UnsupportedModel("The VAE lacks its encoder or its decoder.")
    count = max(level for level, _ in found) + 1
    return family_config(family, "vae") | {
        "block_out_channels": [found[level, 0].shape[0] for level in range(count)],
        "layers_per_block": sum(level == 0 for level, _ in found),
        "down_block_types": ["DownEncoderBlock2D"] * count,
        "up_block_types": ["UpDecoderBlock2D"] * count,
        "latent_channels": latent[1],
    }


def text_config(parts: Parts, family: Family, folder: str = "text_encoder") -> Config:
    """Return transformers' configuration of a text encoder in the original layout.

    Args:
        parts: of the file.
        family: of the model.
        folder: of the encoder in diffusers' layout; Stable Diffusion XL has "text_encoder_2" too.

    Raises:
        UnsupportedModel: it lacks weights.
    """
    is_open = family == "sd2" or folder == "text_encoder_2"
    projection = None
    if not is_open:
        texts = parts.clip.renamed(clip_names(parts.clip))
        tokens = texts.shape("text_model.embeddings.token_embedding.weight")
        inner = texts.shape("text_model.encoder.layers.0.mlp.fc1.weight")
        layers = len(block_numbers(texts, r"text_model\.encoder\.layers"))
    else:
        tokens = parts.open_clip.shape("token_embedding.weight")
        inner = parts.open_clip.shape("transformer.resblocks.0.mlp.c_fc.weight")
        blocks = block_numbers(parts.open_clip, r"transformer\.resblocks")
        layers = min(len(blocks), OPEN_CLIP_LAYERS) if family == "sd2" else len(blocks)
        projection = parts.open_clip.shape("text_projection") if family == "sdxl" else None
    if tokens is None or inner is None:
        raise UnsupportedModel("The text encoder lacks weights.")
    pooled = {"projection_dim": projection[1]} if projection else {}
    return (
        family_config(family, folder)
        | pooled
        | {
            "vocab_size": tokens[0],
            "hidden_size": tokens[1],
            "intermediate_size": inner[0],
            "num_hidden_layers": layers,
            "num_attention_heads": max(1, tokens[1] // HEAD_WIDTH),
        }
    )


def clip_names(names: Header | Mapping[str, Any]) -> dict[str, str]:
    """Return, for CLIP's weights without `text_model.`, their names with it."""
    bare = ("embeddings.", "encoder.", "final_layer_norm.")
    return {name: f"text_model.{name}" for name in names if name.startswith(bare)}


_EMA_WORDS = re.compile(
    r"input_blocks|middle_block|output_blocks|time_embed|in_layers|emb_layers|out_layers"
    r"|skip_connection|cond_proj|transformer_blocks|proj_in|proj_out|to_[qkv]|to_out|attn|norm|label_emb"
    r"|weight|bias|proj|conv|net|op|ff|out|\d+"
)


def ema_names(header: Header) -> dict[str, str]:
    """Return, for averaged weights (EMA), the names that they are the average of.

    They are stored as `model_ema.` and the name without its dots.
    """
    flat = header.part(f"{EMA}diffusion_model")
    return {
        f"{EMA}diffusion_model{name}": UNET + _with_dots(name)
        for name in flat
        if "".join(_EMA_WORDS.findall(name)) == name
    }


def _with_dots(name: str) -> str:
    words = [w for word in _EMA_WORDS.findall(name) for w in (word if word.isdigit() else [word])]
    if words[0] in ("input_blocks", "output_blocks"):
        # Of the digits that follow, the last is a module's in the block, the others the block's.
        end = next(i for i, word in enumerate(words) if i > 0 and not word.isdigit())
        words[1:end] = ["".join(words[1 : end - 1]), words[end - 1]]
    return re.sub(r"\b(attn|norm)\.(\d)\b", r"\1\2", ".".join(words))


def family_of_unet(config: Mapping[str, Any]) -> Family:
    """Return the family of a UNet by its configuration."""
    if config.get("addition_embed_type") == "text_time":
        return "sdxl"
    return "sd2" if config.get("cross_attention_dim") == 1024 else "sd1"


def count_size_ids(config: Mapping[str, Any], pooled: int) -> float:
    """Return how many sizes a UNet with added conditions takes beside a pooled text this wide."""
    given = config.get("projection_class_embeddings_input_dim") or 0
    return float(given - pooled) / (config.get("addition_time_embed_dim") or SIZE_WIDTH)


def family_config(family: Family, part: str) -> Config:
    """Return the configuration of a family's part at its usual size."""
    config: Config = json.loads((CONFIGS / family / part / "config.json").read_text("utf-8"))
    return config
