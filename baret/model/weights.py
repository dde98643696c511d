"""Parts of a single file: their weights read, converted and checked to be complete.

The conversion is diffusers'. What it would drop or leave empty is an error that names the weights.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from accelerate import init_empty_weights
from diffusers import AutoencoderKL, UNet2DConditionModel
from diffusers.loaders.single_file_utils import (
    convert_ldm_unet_checkpoint,
    convert_ldm_vae_checkpoint,
    convert_open_clip_checkpoint,
)
from safetensors import safe_open
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from baret.errors import UnsupportedModel
from baret.model.header import Header
from baret.model.layout import (
    OPEN_CLIP,
    OPEN_CLIP_LAYERS,
    UNET,
    XL_OPEN_CLIP,
    Config,
    block_numbers,
    clip_names,
    ema_names,
)

Weights = dict[str, Tensor]

# Scales of 8-bit weights (ComfyUI's two spellings): the weight is its number times its scale.
WEIGHT_SCALES = (".scale_weight", ".weight_scale")
# What comes with them and is only for 8-bit arithmetic.
_SCALE_EXTRAS = (".scale_input", ".input_scale", ".comfy_quant", "scaled_fp8")
_QUANTISED = {torch.int8, torch.uint8}  # weights of other formats; buffers are wider
MAX_NAMED = 3  # weights in a message


def read_weights(path: Path, prefix: str, dtype: torch.dtype) -> Weights:
    """Read the weights whose names begin with a prefix, without it, scales applied.

    Raises:
        UnsupportedModel: they are quantised in a way that is not understood.
    """
    with safe_open(path, framework="pt") as file:
        names = [name for name in file.keys() if name.startswith(prefix)]  # noqa: SIM118
        raw = {name.removeprefix(prefix): file.get_tensor(name) for name in names}
    return {name: tensor.to(dtype) for name, tensor in _apply_scales(raw).items()}


def _apply_scales(raw: Weights) -> Weights:
    scales = {
        f"{name.removesuffix(ending)}.weight": tensor.float()
        for name, tensor in raw.items()
        for ending in WEIGHT_SCALES
        if name.endswith(ending)
    }
    applied = {}
    for name, tensor in raw.items():
        if name.endswith((*WEIGHT_SCALES, *_SCALE_EXTRAS)):
            continue
        if tensor.ndim > 1 and tensor.dtype in _QUANTISED:
            raise UnsupportedModel(
                f"{name} is quantised to {str(tensor.dtype).removeprefix('torch.')}, which is not "
                "supported; give the model in float16, bfloat16 or scaled float8."
            )
        scale = scales.get(name)  # one number, or one for each output
        applied[name] = tensor if scale is None else tensor.float() * _along(scale, tensor)
    return applied


def _along(scale: Tensor, weight: Tensor) -> Tensor:
    return scale.flatten().view(-1, *[1] * (weight.ndim - 1))


def read_averaged(path: Path, header: Header, dtype: torch.dtype) -> Weights:
    """Read a UNet of which the file has only the averaged weights (EMA)."""
    names = ema_names(header)
    with safe_open(path, framework="pt") as file:
        raw = {new.removeprefix(UNET): file.get_tensor(old) for old, new in names.items()}
    return {name: tensor.to(dtype) for name, tensor in raw.items()}


def make_unet(weights: Weights, config: Config) -> UNet2DConditionModel:
    """Make a UNet from weights in the original layout, without their prefix.

    Raises:
        UnsupportedModel: weights are missing, or have no place.
    """
    closed = close_gaps(weights)
    converted = convert_ldm_unet_checkpoint({UNET + n: t for n, t in closed.items()}, config)
    for ending in ("weight", "bias"):
        for name in (f"time_embed.cond_proj.{ending}", f"time_embedding.cond_proj.{ending}"):
            if name in closed:
                converted[f"time_embedding.cond_proj.{ending}"] = closed[name]
    _refuse_dropped("UNet", closed, converted)
    return fill_module(UNet2DConditionModel, config, converted, "UNet")


def close_gaps(weights: Weights) -> Weights:
    """Renumber the UNet's blocks so that no number is left out.

    Files of UNets with one layer a level (BK-SDM) often keep the numbers of two, and then have
    upsamplers alone in a block.
    """
    names: dict[str, str] = {}
    for side in ("input_blocks", "output_blocks"):
        new = -1
        for old in block_numbers(weights, side):
            prefix = f"{side}.{old}."
            mine = [name for name in weights if name.startswith(prefix)]
            upsampler = side == "output_blocks" and all(".conv." in name for name in mine)
            new += not upsampler
            names |= {name: f"{side}.{new}.{name.removeprefix(prefix)}" for name in mine}
    return {names.get(name, name): tensor for name, tensor in weights.items()}


def make_vae(weights: Weights, config: Config) -> AutoencoderKL:
    """Make a VAE from weights in the original layout, without their prefix.

    Raises:
        UnsupportedModel: weights are missing, or have no place.
    """
    # The discriminator that it was trained against, and averaged weights, are not part of it.
    mine = {n: t for n, t in weights.items() if not n.startswith(("loss.", "model_ema."))}
    return fill_module(AutoencoderKL, config, convert_ldm_vae_checkpoint(mine, config), "VAE")


def make_clip(weights: Weights, config: Config) -> CLIPTextModel:
    """Make a text encoder of Stable Diffusion 1 from CLIP's weights.

    Raises:
        UnsupportedModel: weights are missing, or have no place.
    """
    names = clip_names(weights)
    return _make_text({names.get(name, name): t for name, t in weights.items()}, config)


def make_open_clip(weights: Weights, config: Config) -> CLIPTextModel:
    """Make a text encoder of Stable Diffusion 2 from OpenCLIP's weights.

    Raises:
        UnsupportedModel: weights are missing, or have no place.
    """
    unread = f"transformer.resblocks.{OPEN_CLIP_LAYERS}."
    mine = {OPEN_CLIP + n: t for n, t in weights.items() if not n.startswith(unread)}
    with init_empty_weights():
        text_model = CLIPTextModel(CLIPTextConfig(**config))
    return _make_text(convert_open_clip_checkpoint(text_model, mine), config)


def make_projected_open_clip(weights: Weights, config: Config) -> CLIPTextModelWithProjection:
    """Make the second text encoder of Stable Diffusion XL from OpenCLIP's weights.

    Raises:
        UnsupportedModel: weights are missing, or have no place.
    """
    with init_empty_weights():
        encoder = CLIPTextModelWithProjection(CLIPTextConfig(**config))
    prefixed = {XL_OPEN_CLIP + name: tensor for name, tensor in weights.items()}
    converted = convert_open_clip_checkpoint(encoder, prefixed, prefix=XL_OPEN_CLIP)
    filled: CLIPTextModelWithProjection = _fill(encoder, converted, "second text encoder")
    return filled


def _make_text(weights: Mapping[str, Tensor], config: Config) -> CLIPTextModel:
    # Some files have all of CLIP, of which only the text's side is used.
    ignored = ("position_ids", "text_projection.weight", "logit_scale", "visual_projection.weight")
    bare = {
        name.removeprefix("text_model."): tensor
        for name, tensor in weights.items()
        if not name.endswith(ignored) and not name.startswith("vision_model.")
    }
    with init_empty_weights():
        text_encoder = CLIPTextModel(CLIPTextConfig(**config))
    filled: CLIPTextModel = _fill(text_encoder, bare, "text encoder")
    return filled


def fill_module(kind: Any, config: Config, weights: Mapping[str, Tensor], part: str) -> Any:
    """Make a module of diffusers from weights in its own layout.

    Args:
        kind: its class.
        config: of the module.
        weights: all that it has.
        part: its name in messages.

    Raises:
        UnsupportedModel: weights are missing, have no place, or other shapes.
    """
    with init_empty_weights():
        module = kind.from_config(config)
    return _fill(module, weights, part)


def _fill(module: Any, weights: Mapping[str, Tensor], part: str) -> Any:
    try:
        result = module.load_state_dict(weights, strict=False, assign=True)
    except RuntimeError as error:  # torch's error for other shapes
        raise UnsupportedModel(f"The {part} has weights of other shapes: {error}") from error
    if result.missing_keys:
        raise UnsupportedModel(f"The {part} lacks {name_some(result.missing_keys)}.")
    if result.unexpected_keys:
        raise UnsupportedModel(f"The {part} has no place for {name_some(result.unexpected_keys)}.")
    return module.eval()


def _refuse_dropped(part: str, weights: Weights, converted: Mapping[str, Tensor]) -> None:
    kept = {id(tensor) for tensor in converted.values()}
    dropped = [name for name, tensor in weights.items() if id(tensor) not in kept]
    if dropped:
        raise UnsupportedModel(f"The {part} has no place for {name_some(dropped)}.")


def name_some(names: list[str]) -> str:
    """Return a few of the names, and how many more there are."""
    more = len(names) - MAX_NAMED
    some = ", ".join(sorted(names)[:MAX_NAMED])
    return f"{some} and {more} more weights" if more > 0 else some
