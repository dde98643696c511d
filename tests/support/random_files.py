"""Single files with random weights under the published names and shapes of a family.

Nothing is computed for them but one stretch of noise, so a file of Stable Diffusion XL's size takes
seconds and the memory of its weights.
"""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from tests.support.original_layout import original_weights

DTYPE = torch.bfloat16


def write_random_file(config: Path, path: Path) -> None:
    """Write a file in the original layout, in bfloat16.

    Args:
        config: a family's folder in `baret/configs`.
        path: of the file.
    """
    with torch.device("meta"):
        parts: dict[str, Any] = {
            "unet": UNet2DConditionModel.from_config(
                UNet2DConditionModel.load_config(config / "unet")
            ),
            "vae": AutoencoderKL.from_config(AutoencoderKL.load_config(config / "vae")),
            "text_encoder": CLIPTextModel(CLIPTextConfig.from_pretrained(config / "text_encoder")),
        }
        if (second := config / "text_encoder_2").is_dir():
            encoder = CLIPTextModelWithProjection(CLIPTextConfig.from_pretrained(second))
            parts["text_encoder_2"] = encoder
        weights = original_weights(SimpleNamespace(**parts))  # type: ignore[arg-type]
    shapes = {name: tensor.shape for name, tensor in weights.items()}
    noise = torch.randn(2**20 + 7, generator=torch.Generator().manual_seed(0)).to(DTYPE)
    save_file({name: _fill(name, shape, noise) for name, shape in shapes.items()}, path)


def _fill(name: str, shape: torch.Size, noise: torch.Tensor) -> torch.Tensor:
    """Return weights as freshly made layers have them, from one stretch of noise."""
    if name.endswith("bias"):
        return torch.zeros(shape, dtype=DTYPE)
    if len(shape) < 2:  # of a norm, or a scale
        return torch.ones(shape, dtype=DTYPE)
    count = shape.numel()
    repeated = noise.repeat(count // len(noise) + 1)[:count].view(shape)
    return repeated * (shape[0] / count) ** 0.5
