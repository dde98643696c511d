"""SDEdit (arXiv 2108.01073): add noise up to a level, denoise with the target text."""

from dataclasses import dataclass

import torch

from bench.edits.batch import Batch, Edited
from bench.edits.model import BatchModel
from bench.edits.sampling import denoise


@dataclass(frozen=True)
class SDEditOptions:
    """The options of SDEdit."""

    strength: float = 0.6  # share of the levels up to which noise is added
    guidance_scale: float = 7.5  # w
    steps: int = 50  # T of the whole schedule; strength · T are run


def sdedit(model: BatchModel, batch: Batch, options: SDEditOptions) -> Edited:
    """Add noise drawn from each image's seed, denoise with the target text."""
    schedule = model.schedule(options.steps)
    level = max(1, round(options.strength * options.steps))
    uncond, target = model.embed([""] * len(batch)), model.embed(batch.prompts)
    clean = model.encode(batch.sources)
    noise = torch.stack(
        [torch.randn(clean.shape[1:], generator=_generator(seed)) for seed in batch.seeds]
    )
    alpha = schedule.alphas[level]
    noisy = alpha.sqrt() * clean + (1 - alpha).sqrt() * noise.to(clean.device)
    texts = (uncond, target)
    edited = denoise(model, noisy, lambda _: texts, schedule, options.guidance_scale, start=level)
    return Edited(model.decode(edited))


def _generator(seed: int) -> torch.Generator:
    """Return a generator on the CPU, so that every device draws the same noise."""
    return torch.Generator().manual_seed(seed)
