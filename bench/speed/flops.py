"""The FLOP of one row of the UNet, counted and not timed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import UNet2DConditionModel
from torch.utils.flop_counter import FlopCounterMode

from baret.model.layout import SIZE_IDS


@dataclass(frozen=True)
class RowFlops:
    """The TFLOP of one row; a multiplication and an addition count as two."""

    forward: float
    with_gradient: float  # forward, and backward to the text's embedding only


def row_flops(config: Mapping[str, Any], *, side: int, tokens: int) -> RowFlops:
    """Count one row on the meta device, which takes neither time nor memory.

    Args:
        config: of the UNet.
        side: of the square latents.
        tokens: of the text.
    """
    with torch.device("meta"):
        unet = UNet2DConditionModel.from_config(config).requires_grad_(False)
        latents, timestep = torch.empty(1, 4, side, side), torch.tensor(1)
        embedding = torch.empty(1, tokens, config["cross_attention_dim"], requires_grad=True)
        added = _added_conditions(config)
    with FlopCounterMode(display=False) as forward, torch.no_grad():
        unet(latents, timestep, embedding, added_cond_kwargs=added)
    with FlopCounterMode(display=False) as both:
        unet(latents, timestep, embedding, added_cond_kwargs=added).sample.sum().backward()
    return RowFlops(forward.get_total_flops() / 1e12, both.get_total_flops() / 1e12)


def _added_conditions(config: Mapping[str, Any]) -> dict[str, torch.Tensor] | None:
    """Return the pooled text and the sizes that Stable Diffusion XL's UNet takes besides."""
    if config.get("addition_embed_type") != "text_time":
        return None
    sizes = SIZE_IDS * config["addition_time_embed_dim"]
    pooled = config["projection_class_embeddings_input_dim"] - sizes
    return {"text_embeds": torch.empty(1, pooled), "time_ids": torch.empty(1, SIZE_IDS)}
