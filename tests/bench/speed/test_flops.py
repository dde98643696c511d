import pytest
import torch
from diffusers import UNet2DConditionModel
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from baret.model.layout import CONFIGS
from bench.speed.flops import row_flops


def test_a_row_of_stable_diffusion_at_512():
    config = UNet2DConditionModel.load_config(CONFIGS / "sd1" / "unet")
    row = row_flops(config, side=64, tokens=77)
    # Counted on the real UNet when the method's minimum cost was worked out.
    assert row.forward == pytest.approx(0.803, abs=5e-4)
    assert row.with_gradient == pytest.approx(1.669, abs=5e-4)


def test_the_copy_without_memory_counts_as_the_model_itself_does(model):
    sd = model.model
    text = sd.embed("a dog").embedding
    latents = torch.zeros(1, 4, sd.native_size // sd.multiple, sd.native_size // sd.multiple)
    # Attention as plain products, since the counter does not know the CPU's kernel.
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter, torch.no_grad():
        sd.predict_noise(latents, (1,), text[None])
    row = row_flops(sd.unet.config, side=latents.shape[-1], tokens=len(text))
    assert row.forward == counter.get_total_flops() / 1e12
