"""PSNR, SSIM and MSE of what an edit had to leave alone, with torchmetrics.

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


def to_tensor(picture: Image.Image, device: torch.device) -> Tensor:
    """[1, 3, H, W] float32, 0–1."""
    pixels = torch.from_numpy(np.array(picture.convert("RGB"))).to(device)
    return pixels.permute(2, 0, 1)[None].float() / 255


def psnr(edited: Tensor, photo: Tensor) -> float | None:
    """In dB, over all pixels and channels of [1, 3, H, W], 0–1; None where they are equal.

    Where pictures are masked before (PnPInversion, evaluation/matrics_calculator.py), the black
    pixels of the mask are counted too: that is the published definition.
    """
    value = peak_signal_noise_ratio(edited, photo, data_range=1.0).item()
    return None if value == float("inf") else value


def ssim(edited: Tensor, photo: Tensor) -> float:
    """Of [1, 3, H, W], 0–1: Gaussian window of σ 1.5 (Wang et al. 2004), as PnPInversion takes."""
    value = structural_similarity_index_measure(edited, photo, data_range=1.0)
    if not isinstance(value, Tensor):  # only where the full map is asked for
        raise TypeError("one number was asked for")
    return value.item()


def mse(edited: Tensor, photo: Tensor) -> float:
    """Of [1, 3, H, W], 0–1, over all pixels and channels."""
    return mean_squared_error(edited.contiguous(), photo.contiguous()).item()
