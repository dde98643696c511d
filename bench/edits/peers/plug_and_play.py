"""Plug-and-Play (arXiv 2211.12572): the decoder takes the source's features and self-attention.

b images · T steps. Rows are the source's, the target's with text and without.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from baret.method.ddim import guide
from bench.edits.attention import Layer, RowInjection, replaced_processors
from bench.edits.batch import Batch, Edited
from bench.edits.model import BatchModel
from bench.edits.sampling import pivots_of


@dataclass(frozen=True)
class PlugAndPlayOptions:
    """What is injected, where and until when."""

    features_until: float = 0.8  # τ_f, share of the steps from the noisiest
    attention_until: float = 0.5  # τ_A, likewise
    feature_block: float = 4 / 12  # which of the decoder's residual blocks, as a share of them
    attention_from: float = 4 / 12  # self-attention from this residual block on
    guidance_scale: float = 7.5  # w
    steps: int = 50  # T


def plug_and_play(model: BatchModel, batch: Batch, options: PlugAndPlayOptions) -> Edited:
    """Denoise with the target text, next to the source at its pivots (section 4)."""
    schedule, count = model.schedule(options.steps), len(batch)
    uncond, target = model.embed([""] * count), model.embed(batch.prompts)
    pivots = pivots_of(model, model.encode(batch.sources), uncond, schedule)
    latents = pivots[-1]
    for level in range(options.steps, 0, -1):
        done = (options.steps - level) / options.steps
        with _injecting(model.model.unet, list(range(count)) * 3, done, options):
            noise = model.predict(
                torch.cat([pivots[level], latents, latents]),
                schedule.timestep(level),
                uncond + target + uncond,
            )
        _, with_text, without = noise.chunk(3)
        noise = guide(without, with_text, options.guidance_scale)
        latents = schedule.step(latents, noise, level=level)
    return Edited(model.decode(latents), lambda: model.decode(pivots[0]))


@contextmanager
def _injecting(
    unet: Any, source: list[int], done: float, options: PlugAndPlayOptions
) -> Iterator[None]:
    """Inject the source rows' features in the chosen block and their maps in later layers."""
    blocks = residual_blocks(unet)
    names = list(blocks)
    chosen = blocks[names[round(options.feature_block * len(names))]]
    later = names[round(options.attention_from * len(names)) :]
    maps = RowInjection(query=source, key=source)

    def choose(layer: Layer) -> RowInjection | None:
        block = layer.name.partition(".transformer_blocks")[0].replace("attentions", "resnets")
        inside = done < options.attention_until and not layer.cross and block in later
        return maps if inside else None

    def inject(_module: Any, _inputs: Any, features: Tensor) -> Tensor:
        return features[source]

    hooks = []
    if done < options.features_until:
        hooks.append(chosen.conv2.register_forward_hook(inject))
    try:
        with replaced_processors(unet, choose):
            yield
    finally:
        for hook in hooks:
            hook.remove()


def residual_blocks(unet: Any) -> dict[str, Any]:
    """Return the decoder's residual blocks by name, in the order of computation."""
    return {
        f"up_blocks.{i}.resnets.{j}": block
        for i, up in enumerate(unet.up_blocks)
        for j, block in enumerate(up.resnets)
    }
