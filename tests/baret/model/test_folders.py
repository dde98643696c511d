"""Folders as publishers save them: variants of weights' names, sizes that are missing."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from baret.model.description import LoadOptions
from baret.model.folder_weights import choose_variant
from baret.model.loading import BUNDLED, inspect_model, load_pipeline
from baret.model.stable_diffusion import StableDiffusion
from tests.support.fake_hub import FakeHub
from tests.support.safety_checkers import add_checker

PARTS = ("unet", "vae", "text_encoder")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(BUNDLED / "zoo", tmp_path / "model"))


def halve(folder: Path, *, keep: bool = False) -> None:
    """Rename the weights as a half-precision variant, or add such files."""
    for part in (*PARTS, "safety_checker"):
        for path in (folder / part).glob("*.safetensors"):
            half = {name: tensor.half() for name, tensor in load_file(path).items()}
            save_file(half, path.with_suffix(".fp16.safetensors"), {"format": "pt"})
            if not keep:
                path.unlink()


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_a_folder_that_has_only_half_precision_names_loads(
    dtype: torch.dtype, folder: Path
) -> None:
    add_checker(folder, refuses=False)
    halve(folder)
    (folder / "unet" / "diffusion_pytorch_model.bin").write_bytes(b"a pickle of the full weights")
    model = StableDiffusion.from_pretrained(str(folder), device="cpu", dtype=dtype)
    assert model.safety_checker is not None
    whole = load_file(BUNDLED / "zoo" / "unet" / "diffusion_pytorch_model.safetensors")
    for name, tensor in model.unet.state_dict().items():
        assert torch.equal(tensor, whole[name].half().to(tensor.dtype)), name


def test_of_two_variants_the_one_that_fits_the_dtype_is_loaded(folder: Path) -> None:
    halve(folder, keep=True)
    whole = load_pipeline(str(folder), LoadOptions()).pipeline
    assert inspect_model(str(folder), LoadOptions(dtype=torch.float16)).variant == "fp16"
    assert inspect_model(str(folder), LoadOptions(dtype=torch.float32)).variant is None
    published = load_file(BUNDLED / "zoo" / "unet" / "diffusion_pytorch_model.safetensors")
    assert torch.equal(whole.unet.conv_in.weight, published["conv_in.weight"])


UNET = "unet/diffusion_pytorch_model"
BOTH = [f"{UNET}.safetensors", f"{UNET}.fp16.safetensors"]


@pytest.mark.parametrize(
    ("paths", "dtype", "variant"),
    [
        (BOTH, torch.float16, "fp16"),
        (BOTH, torch.bfloat16, None),
        (BOTH, torch.float32, None),
        (BOTH[1:], torch.float32, "fp16"),
        (BOTH[:1], torch.float16, None),
        ([f"{UNET}.non_ema.safetensors", BOTH[0]], torch.float16, None),
        ([f"{UNET}.fp16-00001-of-00002.safetensors"], torch.float16, "fp16"),
        ([f"{UNET}-00001-of-00002.safetensors"], torch.float16, None),
        ([f"{UNET}.bin", f"{UNET}.fp16.bin"], torch.float16, None),
    ],
    ids=str,
)
def test_the_variant_follows_from_the_names(
    paths: list[str], dtype: torch.dtype, variant: str | None
) -> None:
    assert choose_variant(paths, dtype) == variant


def test_a_hub_is_asked_for_the_variant_that_fits(folder: Path, tmp_path: Path) -> None:
    halve(folder, keep=True)
    with FakeHub(folder) as hub:
        code = (
            "from baret.model.stable_diffusion import StableDiffusion\n"
            "StableDiffusion.from_pretrained('some-org/some-model', device='cpu', dtype='float16')"
        )
        environment = {"HF_HOME": str(tmp_path / "home"), "HF_ENDPOINT": hub.url}
        subprocess.run([sys.executable, "-c", code], env=os.environ | environment, check=True)
    weights = {path for path in hub.served if path.startswith("unet/") and "safetensors" in path}
    assert weights == {BOTH[1]}


@pytest.mark.parametrize(
    ("sample_size", "native"), [(16, 64), (None, 256), ([16, 16], 64), ([12, 24], 64)], ids=str
)
def test_a_unet_without_a_size_or_with_two_has_its_familys(
    sample_size: object, native: int, folder: Path
) -> None:
    path = folder / "unet" / "config.json"
    config = json.loads(path.read_text()) | {"sample_size": sample_size}
    if sample_size is None:
        del config["sample_size"]
    path.write_text(json.dumps(config))
    model = StableDiffusion.from_pretrained(str(folder), device="cpu")
    assert model.native_size == native  # the bundled VAE has 4 pixels a latent pixel
    assert inspect_model(str(folder)).native_size == native
