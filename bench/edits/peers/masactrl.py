"""MasaCtrl (arXiv 2304.08465): the target branch queries the source branch in self-attention.

b images · T steps.
"""

from dataclasses import dataclass

import torch

from baret.method.ddim import guide
from bench.edits.attention import Layer, RowInjection, replaced_processors
from bench.edits.batch import Batch, Edited
from bench.edits.model import BatchModel
from bench.edits.sampling import pivots_of


@dataclass(frozen=True)
class MasaCtrlOptions:
    """The range of mutual self-attention."""

    from_step: float = 0.08  # S, share of the steps before it starts (4 of 50)
    from_layer: float = 0.625  # L, share of the self-attention layers before it (10 of 16)
    source_caption: bool = False  # give the source branch the caption; published without a text
    guidance_scale: float = 7.5  # w
    steps: int = 50  # T


def masactrl(model: BatchModel, batch: Batch, options: MasaCtrlOptions) -> Edited:
    """Edit with the source's keys and values in self-attention, from step S and layer L on.

    The source branch is at the pivots, as the published code recommends for real images. The
    target's rows with and without text take those of the source's rows with and without.
    """
    schedule, count = model.schedule(options.steps), len(batch)
    uncond, target = model.embed([""] * count), model.embed(batch.prompts)
    source = model.embed(batch.source_captions) if options.source_caption else uncond
    pivots = pivots_of(model, model.encode(batch.sources), source, schedule)
    key_rows = [*range(2 * count), *range(2 * count)]
    mutual = RowInjection(key=key_rows, value=key_rows)
    latents = pivots[-1]
    for level in range(options.steps, 0, -1):
        late = options.steps - level >= round(options.from_step * options.steps)

        def choose(layer: Layer, late: bool = late) -> RowInjection | None:
            inside = late and not layer.cross and layer.depth >= options.from_layer
            return mutual if inside else None

        with replaced_processors(model.model.unet, choose):
            noise = model.predict(
                torch.cat([pivots[level], pivots[level], latents, latents]),
                schedule.timestep(level),
                source + uncond + target + uncond,
            )
        _, _, with_text, without = noise.chunk(4)
        noise = guide(without, with_text, options.guidance_scale)
        latents = schedule.step(latents, noise, level=level)
    return Edited(model.decode(latents), lambda: model.decode(pivots[0]))
