"""On a CUDA device: the same edit as on the CPU, within what other kernels may differ."""

import numpy as np
import pytest
import torch

from baret import EditOptions, Editor, InversionOptions
from baret.images import psnr

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]

OPTIONS = EditOptions(inversion=InversionOptions(num_inference_steps=10, inner_steps=2))


@pytest.mark.parametrize(("dtype", "decibels"), [("float32", 40), ("float16", 25)])
def test_an_edit_on_the_gpu_equals_the_cpus(editor, sample, dtype, decibels):
    here = editor.edit(sample.picture, sample.prompt, OPTIONS)
    gpu = Editor.from_pretrained("zoo", device="cuda", dtype=dtype)
    there = gpu.edit(sample.picture, sample.prompt, OPTIONS)
    assert there.inversion.pivots.device.type == "cuda"
    # Bounds set beforehand, not measured: no device was at hand when this was written.
    assert psnr(np.asarray(here.picture), np.asarray(there.picture)) > decibels
