"""Exports the model as a diffusers folder: float16 safetensors, its words and a model card."""

from pathlib import Path
from typing import Any

import torch

from zoo.captions import WORDS
from zoo.train import denoiser, sampling, tokenizer, vae
from zoo.train.card import card
from zoo.train.files import read_json, replacing
from zoo.train.options import TrainOptions


def as_exported(options: TrainOptions) -> tuple[Any, int]:
    """Return the current model, in float32 but rounded to float16, and the denoiser's steps."""
    unet, text_encoder, steps = denoiser.load_averaged(options)
    pipeline = sampling.assembled(
        vae.load(options, torch.device("cpu")), text_encoder, tokenizer.load(options), unet
    )
    for part in (pipeline.vae, pipeline.text_encoder, pipeline.unet):
        part.eval().half().float()
    return pipeline, steps


def write(options: TrainOptions, folder: Path) -> None:
    """Write the current model and replace the contents of `folder`."""
    pipeline, steps = as_exported(options)
    with replacing(folder) as draft:
        pipeline.to(torch.float16).save_pretrained(draft, safe_serialization=True)
        (draft / "words.txt").write_text("\n".join(WORDS) + "\n", "utf-8")
        (draft / "README.md").write_text(card(options, read_json(record(options)), steps), "utf-8")


def record(options: TrainOptions) -> Path:
    """Return the path of the run's record of options, times and figures."""
    return options.out / "run.json"
