"""A Stable Diffusion XL of the real size with random weights, as a single file.

In bfloat16 its 3.5 billion weights take 6.5 GiB, once in the file and once in memory.
"""

import os
import resource
import time
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from PIL import Image
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from baret import EditOptions, Editor, InversionOptions
from baret.model.description import LoadOptions
from baret.model.layout import CONFIGS
from baret.model.loading import load_pipeline
from baret.model.stable_diffusion import StableDiffusion
from tests.support.original_layout import original_weights

OPTIONS = EditOptions(inversion=InversionOptions(num_inference_steps=2, inner_steps=1))
DTYPE = torch.bfloat16


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Write random weights under the published model's names and shapes."""
    config = CONFIGS / "sdxl"
    with torch.device("meta"):
        pipeline = type("Pipeline", (), {})()
        pipeline.unet = UNet2DConditionModel.from_config(
            UNet2DConditionModel.load_config(config / "unet")
        )
        pipeline.vae = AutoencoderKL.from_config(AutoencoderKL.load_config(config / "vae"))
        pipeline.text_encoder = CLIPTextModel(
            CLIPTextConfig.from_pretrained(config / "text_encoder")
        )
        pipeline.text_encoder_2 = CLIPTextModelWithProjection(
            CLIPTextConfig.from_pretrained(config / "text_encoder_2")
        )
        shapes = {name: tensor.shape for name, tensor in original_weights(pipeline).items()}
    noise = torch.randn(2**20 + 7, generator=torch.Generator().manual_seed(0)).to(DTYPE)
    path = tmp_path / "xl.safetensors"
    save_file({name: _fill(name, shape, noise) for name, shape in shapes.items()}, path)
    return path


def _fill(name: str, shape: torch.Size, noise: torch.Tensor) -> torch.Tensor:
    """Return weights as freshly made layers have them, from one stretch of noise."""
    if name.endswith("bias"):
        return torch.zeros(shape, dtype=DTYPE)
    if len(shape) < 2:  # of a norm, or a scale
        return torch.ones(shape, dtype=DTYPE)
    count = shape.numel()
    repeated = noise.repeat(count // len(noise) + 1)[:count].view(shape)
    return repeated * (shape[0] / count) ** 0.5


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_a_model_of_stable_diffusion_xls_size_loads_and_edits(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Print the seconds and the peak of memory, which no run has measured to its end yet."""
    torch.set_num_threads(os.cpu_count() or 1)
    started = time.perf_counter()
    loaded = load_pipeline(str(path), LoadOptions(dtype=DTYPE))
    assert loaded.description.native_size == 1024
    # A small picture, for speed.
    loaded.pipeline.unet.register_to_config(sample_size=16)
    model = StableDiffusion(
        loaded.pipeline,
        device=torch.device("cpu"),
        dtype=DTYPE,
        licence="none",
        description=loaded.description,
    )
    ready = time.perf_counter()
    photo = Image.linear_gradient("L").resize((160, 120)).convert("RGB")
    result = Editor(model).edit(photo, "a photo of a dog jumping", OPTIONS)
    assert result.image.size == (160, 120)
    assert torch.isfinite(result.inversion.pivots).all()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    with capsys.disabled():
        print(
            f"\nloaded in {ready - started:.0f} s, edited in {time.perf_counter() - ready:.0f} s "
            f"({result.seconds}), peak {peak:.1f} GiB"
        )
