"""Encodes all training pictures once; the denoiser sees only latents, never pixels."""

import logging
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from zoo.train import pictures, vae
from zoo.train.files import new_array
from zoo.train.options import TrainOptions

log = logging.getLogger(__name__)


def path(options: TrainOptions) -> Path:
    """Return the path of the run's latents."""
    return options.out / "latents.npy"


def encode_all(options: TrainOptions, device: torch.device) -> None:
    """Write the means of the latents, [N, c, h, h] float16."""
    coder, training = vae.load(options, device), pictures.training(options)
    log.info("encoding %d pictures", options.pictures)
    side = options.latent_side
    shape = (options.pictures, options.latent_channels, side, side)
    with new_array(path(options), shape, np.float16) as latents:
        for start in range(0, options.pictures, vae.ENCODED):
            indices = np.arange(start, min(start + vae.ENCODED, options.pictures))
            means = vae.encode(coder, training.batch(indices, device))
            latents[indices] = means.cpu().numpy()


def load(options: TrainOptions) -> NDArray[np.float16]:
    """Load the run's latents into memory."""
    latents: NDArray[np.float16] = np.load(path(options))
    return latents
