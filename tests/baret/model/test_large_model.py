"""A model of Stable Diffusion 1.5's size with random weights, as a folder and a single file."""

import os
import resource
import time

import pytest
import torch
from PIL import Image

from baret import EditOptions, Editor, InversionOptions
from bench.speed.random_weights import random_pipeline
from tests.support.original_layout import save_original

OPTIONS = EditOptions(inversion=InversionOptions(num_inference_steps=2, inner_steps=1))


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    """Save the same weights as a diffusers folder and as one file of the original layout."""
    pipeline = random_pipeline()
    assert sum(p.numel() for p in pipeline.unet.parameters()) == 859_520_964
    base = tmp_path_factory.mktemp("large")
    pipeline.save_pretrained(base / "folder")
    save_original(pipeline, base / "file.safetensors")
    return base / "folder", base / "file.safetensors"


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_a_model_of_stable_diffusions_size_loads_both_ways_and_edits_at_512(paths, capsys):
    torch.set_num_threads(os.cpu_count() or 1)
    photo = Image.linear_gradient("L").resize((640, 480)).convert("RGB")
    images = []
    for path in paths:
        started = time.perf_counter()
        editor = Editor.from_pretrained(str(path), device="cpu", dtype="float32")
        loaded = time.perf_counter()
        result = editor.edit(photo, "a photo of a dog jumping", OPTIONS)
        images.append(result.image.tobytes())
        assert editor.model.native_size == 512
        assert result.image.size == (640, 480)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        with capsys.disabled():
            print(
                f"\n{path.name}: loaded in {loaded - started:.0f} s, edited in "
                f"{time.perf_counter() - loaded:.0f} s ({result.seconds}), peak {peak:.1f} GiB"
            )
        del editor
    assert images[0] == images[1]  # the same weights, loaded in two ways
