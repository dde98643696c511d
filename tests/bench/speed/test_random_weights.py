import torch
from diffusers import UNet2DConditionModel

from baret.model.stable_diffusion import StableDiffusion
from bench.speed.random_weights import SD15, SDXL, random_folder, random_pipeline


def test_it_has_the_size_of_stable_diffusion():
    with torch.device("meta"):
        unet = UNet2DConditionModel.from_config(UNet2DConditionModel.load_config(SD15 / "unet"))
    assert sum(p.numel() for p in unet.parameters()) == 859_520_964  # that of the published weights


def test_the_folder_is_made_once_and_loads(small_configs, tmp_path):
    folder = random_folder(tmp_path / "model", small_configs)
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    made = weights.stat().st_mtime_ns
    assert random_folder(folder, small_configs) == folder and weights.stat().st_mtime_ns == made
    model = StableDiffusion.from_pretrained(str(folder), device="cpu", dtype="float32")
    assert model.native_size == 128
    text = model.embed("a dog").embedding
    noise = model.predict_noise(torch.randn(1, 4, 16, 16), (500,), text[None])
    assert noise.isfinite().all() and noise.std() > 0


def test_the_weights_are_the_same_every_time_and_other_draws_stay_what_they_were(small_configs):
    torch.manual_seed(7)
    expected = torch.rand(1)
    torch.manual_seed(7)
    first = random_pipeline(small_configs)
    assert torch.rand(1) == expected
    second = random_pipeline(small_configs)
    for name, weight in first.unet.state_dict().items():
        assert weight.dtype == torch.float16
        assert torch.equal(weight, second.unet.state_dict()[name]), name


def test_it_has_the_size_of_stable_diffusion_xl():
    with torch.device("meta"):
        unet = UNet2DConditionModel.from_config(UNet2DConditionModel.load_config(SDXL / "unet"))
    assert sum(p.numel() for p in unet.parameters()) == 2_567_463_684  # of the published weights
