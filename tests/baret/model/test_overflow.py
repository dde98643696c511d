"""Numbers that are not finite never become a picture: bfloat16 is tried, then it is said."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from baret import EditOptions, Editor, InversionOptions
from baret.errors import ModelError, NotFinite
from baret.model.stable_diffusion import StableDiffusion
from baret.options import ModelOptions
from tests.support.small_model import small_folder

QUICK = EditOptions(inversion=InversionOptions(num_inference_steps=1, inner_steps=0))
UNET = "unet/diffusion_pytorch_model.safetensors"
HUGE = 60_000.0  # float16 ends at 65504


def overflow(unet: torch.nn.Module) -> None:
    """Make a UNet's first activations too large for float16; norms bring them back after it."""
    with torch.no_grad():
        weight = unet.conv_in.weight
        weight.mul_(HUGE / float(weight.abs().max()))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return small_folder(tmp_path / "model")


@pytest.fixture
def overflowing(folder: Path) -> Path:
    weights = load_file(folder / UNET)
    weights["conv_in.weight"] *= HUGE / float(weights["conv_in.weight"].abs().max())
    save_file(weights, folder / UNET, {"format": "pt"})
    return folder


def test_a_model_that_overflows_in_float16_is_loaded_in_bfloat16(overflowing: Path) -> None:
    model = StableDiffusion.from_pretrained(
        str(overflowing),
        device="cpu",
        dtype="float16",
        options=ModelOptions(prediction="v_prediction"),  # its answers are spoiled
    )
    assert (model.dtype, model.dtype_name) == (torch.bfloat16, "bfloat16")
    assert next(model.unet.parameters()).dtype == torch.bfloat16
    assert model.description is not None
    assert any("BARET_DTYPE=bfloat16" in note for note in model.description.notes)


def test_a_model_that_is_finite_stays_in_float16() -> None:
    model = StableDiffusion.from_pretrained("zoo", device="cpu", dtype="float16")
    assert model.dtype == torch.float16
    assert model.description is not None and not model.description.notes


def test_a_model_that_is_never_finite_is_refused_with_what_to_set(folder: Path) -> None:
    weights = load_file(folder / UNET)
    weights["conv_in.weight"] = torch.full_like(
        weights["conv_in.weight"], 3e38, dtype=torch.float32
    )
    save_file(weights, folder / UNET, {"format": "pt"})
    with pytest.raises(ModelError, match="not finite in float32"):
        StableDiffusion.from_pretrained(str(folder), device="cpu", dtype="float32")


def test_an_edit_that_overflows_is_run_again_in_bfloat16(folder: Path, sample) -> None:
    editor = Editor.from_pretrained(str(folder), device="cpu", dtype="float16")
    identity = editor.model.identity
    before = editor.invert(sample.image, sample.prompt, QUICK.inversion)
    overflow(editor.model.unet)  # as if by what this photo leads to
    result = editor.edit(before, sample.prompt, QUICK)
    assert editor.model.dtype == torch.bfloat16
    assert editor.model.identity == identity
    assert result.inversion.dtype == "bfloat16"  # made again too
    assert torch.isfinite(result.inversion.pivots).all()


def test_an_edit_that_is_never_finite_fails_and_says_which_setting_helps(
    folder: Path, sample
) -> None:
    editor = Editor.from_pretrained(str(folder), device="cpu", dtype="bfloat16")
    with torch.no_grad():
        editor.model.unet.conv_in.weight.fill_(torch.inf)
    for run in (editor.edit, editor.invert):
        with pytest.raises(NotFinite, match=r"not finite in bfloat16\. Set BARET_DTYPE=float32"):
            run(sample.image, sample.prompt, QUICK if run == editor.edit else QUICK.inversion)


def test_a_vae_that_is_not_finite_is_named() -> None:
    model = StableDiffusion.from_pretrained("zoo", device="cpu")
    with torch.no_grad():
        model._vae.decoder.conv_out.bias.fill_(torch.nan)
    with pytest.raises(NotFinite, match=r"The VAE .* Set BARET_VAE"):
        model.decode(torch.zeros(4, 16, 16))
