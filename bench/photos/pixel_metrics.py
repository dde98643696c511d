"""PSNR, SSIM and MSE as PIE-Bench defines them, with torchmetrics.

H, W pixels.
"""

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchmetrics.functional import mean_squared_error
from torchmetrics.functional.image import (
    peak_signal_noise_ratio,
    structural_similarity_index_measure,
)


def to_tensor(image: Image.Image, device: torch.device) -> Tensor:
    """Return the image as [1, 3, H, W] float32, 0–1."""
    pixels = torch.from_numpy(np.array(image.convert("RGB"))).to(device)
    return pixels.permute(2, 0, 1)[None].float() / 255


def pie_bench_psnr(edited: Tensor, photo: Tensor) -> float | None:
    """Return dB over all pixels and channels of [1, 3, H, W], 0–1; None if they are equal.

    The black pixels of masked images count too: that is the published definition (PnPInversion,
    evaluation/matrics_calculator.py).
    """
    value = peak_signal_noise_ratio(edited, photo, data_range=1.0).item()
    return None if value == float("inf") else value


def pie_bench_ssim(edited: Tensor, photo: Tensor) -> float:
    """Return SSIM of [1, 3, H, W], 0–1, with a Gaussian window of σ 1.5 as in PnPInversion."""
    value = structural_similarity_index_measure(edited, photo, data_range=1.0)
    if not isinstance(value, Tensor):  # it returns a tuple only if the full map is requested
        raise TypeError("SSIM should be one number.")
    return value.item()


def pie_bench_mse(edited: Tensor, photo: Tensor) -> float:
    """Return the mean squared error over all pixels and channels of [1, 3, H, W], 0–1."""
    return mean_squared_error(edited.contiguous(), photo.contiguous()).item()
