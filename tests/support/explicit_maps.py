"""Attention as the paper draws it: compute the maps, exchange them between rows, apply them."""

import torch
from diffusers import UNet2DConditionModel

from baret.unet.attention import Injection, attention_layers


class ExplicitMaps:
    """An attention processor with one source of maps for each row."""

    def __init__(self, source: tuple[int, ...]):
        self.source = source

    def __call__(self, attn, hidden, encoder_hidden_states=None, **_):  # type: ignore[no-untyped-def]
        context = hidden if encoder_hidden_states is None else encoder_hidden_states
        q, k, v = (
            x.view(*x.shape[:2], attn.heads, -1).transpose(1, 2)
            for x in (attn.to_q(hidden), attn.to_k(context), attn.to_v(context))
        )
        maps = (q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5).softmax(-1)
        mixed = torch.stack([maps[row] for row in self.source]) @ v
        return attn.to_out[0](mixed.transpose(1, 2).flatten(2))


def explicit_maps(unet: UNet2DConditionModel, injection: Injection) -> dict[str, ExplicitMaps]:
    """Return a processor for every attention layer, by its name."""
    layers = attention_layers(unet)
    return {
        name: ExplicitMaps(injection.cross_from if cross else injection.self_from)
        for name, cross in layers.items()
    }
