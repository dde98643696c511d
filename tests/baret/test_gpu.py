"""On a CUDA device, an edit is that of the CPU within what other kernels may change."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from baret import EditOptions, Editor, InversionOptions
from baret.images import psnr
from baret.unet.attention import Injection
from baret.unet.cuda_graphs import WARMUP_CALLS, CudaRecorder
from baret.unet.predictor import Predictor
from baret.unet.requests import NoiseTarget, Request, StageProgress

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


@pytest.fixture(autouse=True)
def full_float32(monkeypatch):
    """Switch TF32 off: with it, two algorithms for one convolution differ by a thousandth."""
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)


OPTIONS = EditOptions(inversion=InversionOptions(num_inference_steps=10, inner_steps=2))


@pytest.mark.parametrize(("dtype", "decibels"), [("float32", 40), ("float16", 25)])
def test_an_edit_on_the_gpu_equals_the_cpus(editor, sample, dtype, decibels):
    here = editor.edit(sample.image, sample.prompt, OPTIONS)
    gpu = Editor.from_pretrained("zoo", device="cuda", dtype=dtype)
    there = gpu.edit(sample.image, sample.prompt, OPTIONS)
    assert there.inversion.pivots.device.type == "cuda"
    # The bounds were set in advance, not measured: there was no device when this was written.
    assert psnr(np.asarray(here.image), np.asarray(there.image)) > decibels


@pytest.mark.parametrize("with_target", [False, True])
@pytest.mark.parametrize("injected", [False, True])
def test_a_recorded_call_answers_as_a_plain_one(with_target, injected):
    model = Editor.from_pretrained("zoo", device="cuda", dtype="float32").model
    plain, recorded = Predictor(model), Predictor(model, CudaRecorder(model.device))
    for seed in range(WARMUP_CALLS + 2):
        torch.manual_seed(seed)
        latents = torch.randn(5, 4, 16, 16, device="cuda")
        request = Request(
            StageProgress("editing", 0, 0.0),
            latents,
            tuple(range(1, 6)),
            model.embed("a dog").embedding.expand(5, -1, -1),
            Injection((1, 1, 2, 3, 4), (0, 2, 2, 3, 4)) if injected else None,
            target=NoiseTarget(latents, torch.ones(5, device="cuda")) if with_target else None,
        )
        expected, replayed = plain.answer(request), recorded.answer(request)
        torch.testing.assert_close(replayed.noise, expected.noise, atol=1e-4, rtol=1e-3)
        if with_target:
            torch.testing.assert_close(replayed.gradient, expected.gradient, atol=1e-4, rtol=1e-2)


def test_edits_at_once_come_out_as_alone(sample):
    calls = []
    gpu = Editor.from_pretrained("zoo", device="cuda", on_call=calls.append)
    gpu.warm_up()
    assert gpu.edits_at_once > 1
    alone = gpu.edit(sample.image, sample.prompt, OPTIONS)
    with ThreadPoolExecutor(8) as pool:
        results = pool.map(lambda _: gpu.edit(sample.image, sample.prompt, OPTIONS), range(8))
    assert max(call.edits for call in calls) > 1
    for together in results:
        assert psnr(np.asarray(alone.image), np.asarray(together.image)) > 30
