"""MasaCtrl (arXiv 2304.08465): the target branch looks for its contents in the source branch.

b pictures · T steps.
"""

from dataclasses import dataclass

import torch

from baret.method.ddim import guide
from bench.edits.attention import Layer, Rows, processors
from bench.edits.batch import Batch, Edited
from bench.edits.model import BatchModel
from bench.edits.sampling import pivots_of


@dataclass(frozen=True)
class MasaCtrlOptions:
    """Where mutual self-attention acts."""

    from_step: float = 0.08  # S, share of the steps that come first (4 of 50)
    from_layer: float = 0.625  # L, share of the self-attention layers that come first (10 of 16)
    source_caption: bool = False  # the source branch has the caption; else, as published, no text
    guidance_scale: float = 7.5  # w
    steps: int = 50  # T


def masactrl(model: BatchModel, batch: Batch, options: MasaCtrlOptions) -> Edited:
    """Mutual self-attention: from step S and layer L on, keys and values are the source's.

    The source branch is at the pivots, as the published code recommends for real pictures. The
    target's rows with and without text look at the source's rows with and without.
    """
    schedule, count = model.schedule(options.steps), len(batch)
    uncond, target = model.embed([""] * count), model.embed(batch.prompts)
    source = model.embed(batch.source_captions) if options.source_caption else uncond
    pivots = pivots_of(model, model.encode(batch.sources), source, schedule)
    looked_at = [*range(2 * count), *range(2 * count)]
    mutual = Rows(key=looked_at, value=looked_at)
    latents = pivots[-1]
    for level in range(options.steps, 0, -1):
        late = options.steps - level >= round(options.from_step * options.steps)

        def choose(layer: Layer, late: bool = late) -> Rows | None:
            inside = late and not layer.cross and layer.depth >= options.from_layer
            return mutual if inside else None

        with processors(model.model.unet, choose):
            noise = model.predict(
                torch.cat([pivots[level], pivots[level], latents, latents]),
                schedule.timestep(level),
                torch.cat([source, uncond, target, uncond]),
            )
        _, _, with_text, without = noise.chunk(4)
        noise = guide(without, with_text, options.guidance_scale)
        latents = schedule.step(latents, noise, level=level)
    return Edited(model.decode(latents), lambda: model.decode(pivots[0]))
