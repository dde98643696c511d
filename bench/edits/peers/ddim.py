"""DDIM inversion (arXiv 2010.02502), then denoising with the target text and guidance."""

from dataclasses import dataclass

from bench.edits.batch import Batch, Edited
from bench.edits.model import BatchModel, Images
from bench.edits.sampling import denoise, pivots_of


@dataclass(frozen=True)
class DdimOptions:
    """The options of DDIM inversion."""

    steps: int = 50  # T
    guidance_scale: float = 7.5  # w


def ddim(model: BatchModel, batch: Batch, options: DdimOptions) -> Edited:
    """Invert with the empty text at guidance 1, denoise with the target text."""
    schedule = model.schedule(options.steps)
    uncond, target = model.embed([""] * len(batch)), model.embed(batch.prompts)
    pivots = pivots_of(model, model.encode(batch.sources), uncond, schedule)
    edited = denoise(
        model, pivots[-1], lambda _: (uncond, target), schedule, options.guidance_scale
    )

    def reconstruct() -> Images:
        latents = denoise(model, pivots[-1], lambda _: (uncond, uncond), schedule, 1)
        return model.decode(latents)

    return Edited(model.decode(edited), reconstruct)
