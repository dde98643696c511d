"""Stable Diffusion 1.5, 2.1 and XL of the real size with random weights, as single files.

Stable Diffusion XL's 3.5 billion weights take 6.5 GiB in bfloat16, once in the file and once in
memory. The pictures are smaller than the models' own, for speed.
"""

import os
import resource
import time
from pathlib import Path

import pytest
import torch
from PIL import Image

from baret import EditOptions, Editor, InversionOptions
from baret.model.description import LoadOptions
from baret.model.layout import CONFIGS
from baret.model.loading import load_pipeline
from baret.model.stable_diffusion import StableDiffusion
from tests.support.random_files import write_random_file

OPTIONS = EditOptions(inversion=InversionOptions(num_inference_steps=2, inner_steps=1))


@pytest.mark.slow
@pytest.mark.timeout(7200)  # bfloat16 is slow on processors that do not compute in it
@pytest.mark.parametrize(
    ("family", "native", "parameters", "dtype"),
    [
        ("sd1", 512, 859_520_964, torch.float32),
        ("sd2", 768, 865_910_724, torch.float32),
        ("sdxl", 1024, 2_567_463_684, torch.bfloat16),
    ],
)
def test_a_single_file_of_the_real_size_loads_and_edits(
    family: str,
    native: int,
    parameters: int,
    dtype: torch.dtype,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Print the seconds and the peak of memory, which docs/performance.md states."""
    torch.set_num_threads(os.cpu_count() or 1)
    path = tmp_path / f"{family}.safetensors"
    write_random_file(CONFIGS / family, path)
    started = time.perf_counter()
    options = LoadOptions(dtype=dtype, prediction="v_prediction" if family == "sd2" else "auto")
    loaded = load_pipeline(str(path), options)
    assert loaded.description.native_size == native
    unet = loaded.pipeline.unet
    assert sum(one.numel() for one in unet.parameters()) == parameters
    unet.register_to_config(sample_size=16)
    model = StableDiffusion(
        loaded.pipeline,
        device=torch.device("cpu"),
        dtype=dtype,
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
            f"\n{family}: loaded in {ready - started:.0f} s, edited in "
            f"{time.perf_counter() - ready:.0f} s ({result.seconds}), peak {peak:.1f} GiB"
        )
