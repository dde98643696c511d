"""Generates pictures from captions and checks that they match.

b captions · S pixels on a side · A attributes.
"""

from collections.abc import Callable, Sequence
from itertools import count, islice
from typing import Any

import numpy as np
from diffusers import StableDiffusionPipeline
from numpy.typing import NDArray

from zoo.captions import caption
from zoo.judge import Judge
from zoo.scene import ATTRIBUTES, Scene, labels
from zoo.split import validation_scene
from zoo.train import denoiser
from zoo.train.draws import Stream, noise

STEPS = 25
AT_ONCE = 50  # captions per call


def assembled(vae: Any, text_encoder: Any, words: Any, unet: Any) -> Any:
    """Assemble the parts into a StableDiffusionPipeline."""
    pipeline = StableDiffusionPipeline(
        vae=vae,
        text_encoder=text_encoder,
        tokenizer=words,
        unet=unet,
        scheduler=denoiser.scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def scenes(wanted: Callable[[Scene], bool], number: int) -> list[Scene]:
    """Return the first `number` validation scenes that satisfy `wanted`."""
    return list(islice(filter(wanted, map(validation_scene, count())), number))


def generate(
    pipeline: Any, captions: Sequence[str], *, guidance: float, seed: int
) -> NDArray[np.uint8]:
    """Generate a picture per caption, [b, S, S, 3] uint8; noise depends on seed and position."""
    parts = []
    for start in range(0, len(captions), AT_ONCE):
        texts = list(captions[start : start + AT_ONCE])
        places = range(start, start + len(texts))
        made = pipeline(
            texts,
            num_inference_steps=STEPS,
            guidance_scale=guidance,
            generator=[noise(seed, Stream.FIGURES, place) for place in places],
            output_type="np",
        ).images
        parts.append((np.asarray(made) * 255).round().astype(np.uint8))
    return np.concatenate(parts)


def accuracy(
    pipeline: Any, judge: Judge, wanted: Sequence[Scene], *, guidance: float, seed: int
) -> dict[str, float]:
    """Return the shares of generated pictures with each attribute right, and with all right."""
    pixels = generate(pipeline, [caption(s) for s in wanted], guidance=guidance, seed=seed)
    right = judge.classify(pixels) == np.array([labels(scene) for scene in wanted])  # [b, A]
    shares = dict(zip(ATTRIBUTES, right.mean(0), strict=True)) | {"all": right.all(1).mean()}
    return {name: round(float(share), 3) for name, share in shares.items()}
