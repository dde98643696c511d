"""LEDITS++ (arXiv 2311.16711), by diffusers' own pipeline on the same weights."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from diffusers import (
    DPMSolverMultistepScheduler,
    LEditsPPPipelineStableDiffusion,
    LEditsPPPipelineStableDiffusionXL,
)
from PIL import Image

from baret.images import Pixels
from bench.edits.attention import restored_processors
from bench.edits.batch import Batch, Edited
from bench.edits.model import BatchModel, Images


@dataclass(frozen=True)
class LeditsOptions:
    """The options of the pipeline."""

    guidance_scale: float = 10.0  # s_e, of every concept
    threshold: float = 0.9  # λ: share of the latent pixels that a concept leaves alone
    skip: float = 0.15  # share of the steps that is skipped, from the noisiest
    remove_source: bool = False  # add the source caption as a concept to guide away from
    steps: int = 50  # T


def leditspp(model: BatchModel, batch: Batch, options: LeditsOptions) -> Edited:
    """Edit towards the target text, image by image, since a call takes one text for all.

    Masks come from the noise estimate, intersected with those of cross-attention if the UNet has
    such layers in encoder and decoder at a quarter of the latent's size, as the pipeline requires.
    """
    pipeline = _pipeline(model)
    with restored_processors(model.model.unet):
        edited = [_edit(pipeline, batch, i, options, concepts=True) for i in range(len(batch))]

    def reconstruct() -> Images:
        with restored_processors(model.model.unet):
            return np.stack(
                [_edit(pipeline, batch, i, options, concepts=False) for i in range(len(batch))]
            )

    return Edited(np.stack(edited), reconstruct)


def _pipeline(model: BatchModel) -> Any:
    parts = dict(model.pipeline.components)
    parts["scheduler"] = DPMSolverMultistepScheduler.from_config(
        parts["scheduler"].config, algorithm_type="sde-dpmsolver++", solver_order=2
    )
    if "text_encoder_2" in parts:
        pipeline = LEditsPPPipelineStableDiffusionXL(**parts, add_watermarker=False)
    else:
        parts |= {"safety_checker": None, "feature_extractor": None}
        parts.pop("image_encoder", None)
        pipeline = LEditsPPPipelineStableDiffusion(**parts, requires_safety_checker=False)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def _edit(
    pipeline: Any, batch: Batch, index: int, options: LeditsOptions, *, concepts: bool
) -> Pixels:
    """Invert one image and sample again; without concepts this reconstructs it."""
    pipeline.invert(
        Image.fromarray(batch.sources[index]),
        num_inversion_steps=options.steps,
        skip=options.skip,
        generator=torch.Generator().manual_seed(batch.seeds[index]),
    )
    texts, reverse = [batch.prompts[index]], [False]
    if options.remove_source:
        texts, reverse = [*texts, batch.source_captions[index]], [False, True]
    use_masks = _has_quarter_layers(pipeline.unet)
    result = pipeline(
        editing_prompt=texts if concepts else None,
        reverse_editing_direction=reverse,
        edit_guidance_scale=[options.guidance_scale] * len(texts),
        edit_threshold=[options.threshold] * len(texts),
        edit_warmup_steps=0,
        use_cross_attn_mask=use_masks and concepts,
        use_intersect_mask=use_masks and concepts,
    )
    return np.asarray(result.images[0].convert("RGB"))


def _has_quarter_layers(unet: Any) -> bool:
    """Return whether encoder and decoder have cross-attention at a quarter of the latent's size."""
    down, up = unet.config.down_block_types, unet.config.up_block_types
    return len(down) > 2 and "CrossAttn" in down[2] and "CrossAttn" in up[-3]
