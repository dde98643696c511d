"""LEDITS++ (arXiv 2311.16711): diffusers' own pipeline around the same weights."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from diffusers import DPMSolverMultistepScheduler, LEditsPPPipelineStableDiffusion
from PIL import Image

from baret.images import Pixels
from bench.edits.attention import restored
from bench.edits.batch import Batch, Edited
from bench.edits.model import BatchModel, Pictures


@dataclass(frozen=True)
class LeditsOptions:
    """What the pipeline is told."""

    guidance_scale: float = 10.0  # s_e, of every concept
    threshold: float = 0.9  # λ: share of the places that a concept leaves alone
    skip: float = 0.15  # share of the noisiest steps that are left out
    remove_source: bool = False  # the source caption is a second concept, guided away from
    steps: int = 50  # T


def leditspp(model: BatchModel, batch: Batch, options: LeditsOptions) -> Edited:
    """Edit towards the target text, picture by picture: a call takes one text for all.

    Masks are those of the noise estimate, crossed with those of cross-attention where the UNet
    has such layers in coder and decoder at a quarter of the latent's size, as the pipeline needs.
    """
    pipeline = _pipeline(model)
    with restored(model.model.unet):
        edited = [_edit(pipeline, batch, i, options, concepts=True) for i in range(len(batch))]

    def reconstruct() -> Pictures:
        with restored(model.model.unet):
            return np.stack(
                [_edit(pipeline, batch, i, options, concepts=False) for i in range(len(batch))]
            )

    return Edited(np.stack(edited), reconstruct)


def _pipeline(model: BatchModel) -> Any:
    parts = model.pipeline.components
    pipeline = LEditsPPPipelineStableDiffusion(
        vae=parts["vae"],
        text_encoder=parts["text_encoder"],
        tokenizer=parts["tokenizer"],
        unet=parts["unet"],
        scheduler=DPMSolverMultistepScheduler.from_config(
            parts["scheduler"].config, algorithm_type="sde-dpmsolver++", solver_order=2
        ),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def _edit(
    pipeline: Any, batch: Batch, place: int, options: LeditsOptions, *, concepts: bool
) -> Pixels:
    """Invert one picture and sample again; without concepts it comes back."""
    pipeline.invert(
        Image.fromarray(batch.sources[place]),
        num_inversion_steps=options.steps,
        skip=options.skip,
        generator=torch.Generator().manual_seed(batch.seeds[place]),
    )
    texts, away = [batch.prompts[place]], [False]
    if options.remove_source:
        texts, away = [*texts, batch.source_captions[place]], [False, True]
    crossed = _has_quarter_layers(pipeline.unet)
    result = pipeline(
        editing_prompt=texts if concepts else None,
        reverse_editing_direction=away,
        edit_guidance_scale=[options.guidance_scale] * len(texts),
        edit_threshold=[options.threshold] * len(texts),
        edit_warmup_steps=0,
        use_cross_attn_mask=crossed and concepts,
        use_intersect_mask=crossed and concepts,
    )
    return np.asarray(result.images[0].convert("RGB"))


def _has_quarter_layers(unet: Any) -> bool:
    """Whether there is cross-attention at a quarter of the latent's size, outside the middle."""
    down, up = unet.config.down_block_types, unet.config.up_block_types
    return len(down) > 2 and "CrossAttn" in down[2] and "CrossAttn" in up[-3]
