"""A VAE from outside, instead of a model's own or where it has none (`BARET_VAE`)."""

from pathlib import Path

import torch
from diffusers import AutoencoderKL

from baret.errors import UnsupportedModel
from baret.model.folder_weights import check_complete, choose_variant, read_part
from baret.model.header import read_header
from baret.model.layout import FAMILY_NAMES, Family, family_config
from baret.model.single_file import load_vae_part
from baret.model.trust import read_json
from baret.model.weights import fill_module, read_weights

LATENT_CHANNELS = 4


def load_outer_vae(name: str, dtype: torch.dtype, family: Family) -> AutoencoderKL | None:
    """Load a VAE that replaces the model's own; None if the name is empty.

    Args:
        name: a .safetensors file in either layout, or a folder of diffusers: of a VAE, or of a
            whole model.
        dtype: of its weights as they are read.
        family: of the model, which gives the scale of the latents if nothing else does.

    Raises:
        UnsupportedModel: there is no such VAE, or it is for other latents.
    """
    if not name:
        return None
    path = Path(name)
    try:
        vae = _open_vae(path, dtype, family)
    except UnsupportedModel as error:
        raise UnsupportedModel(f"BARET_VAE: {error}") from error
    except Exception as error:  # as in load_folder
        raise UnsupportedModel(f"BARET_VAE: {path} cannot be loaded: {error}") from error
    channels = vae.config.latent_channels
    if channels != LATENT_CHANNELS:
        raise UnsupportedModel(f"BARET_VAE: {path} has {channels} latent channels instead of 4.")
    _refuse_other_scale(path, vae.config.scaling_factor, family)
    return vae


def _refuse_other_scale(path: Path, scale: float, family: Family) -> None:
    """Refuse a VAE of another family, whose weights have the same shapes.

    Raises:
        UnsupportedModel: its configuration has the other family's scale.
    """
    others: tuple[Family, ...] = ("sd1", "sd2") if family == "sdxl" else ("sdxl",)
    for other in others:
        if scale == family_config(other, "vae")["scaling_factor"]:
            raise UnsupportedModel(
                f"BARET_VAE: {path} is a VAE of {FAMILY_NAMES[other]}, and the model is "
                f"{FAMILY_NAMES[family]}."
            )


def _open_vae(path: Path, dtype: torch.dtype, family: Family) -> AutoencoderKL:
    if path.is_dir():
        folder = path / "vae" if (path / "vae").is_dir() else path
        return _open_vae_folder(folder, dtype)
    if path.suffix != ".safetensors" or not path.is_file():
        raise UnsupportedModel(f"{path} is not a .safetensors file or a folder.")
    header = read_header(path)
    if not any(".down_blocks." in name for name in header):
        return load_vae_part(path, header, dtype, family)
    beside = path.parent / "config.json"
    config = read_json(beside) if beside.is_file() else family_config(family, "vae")
    return fill_module(AutoencoderKL, config, read_weights(path, "", dtype), "VAE")


def _open_vae_folder(folder: Path, dtype: torch.dtype) -> AutoencoderKL:
    config = read_json(folder / "config.json")
    if config.get("_class_name") != "AutoencoderKL":
        raise UnsupportedModel(f"{folder} is a {config.get('_class_name')}, not an AutoencoderKL.")
    paths = [f"unet/{path.name}" for path in folder.iterdir()]
    variant = choose_variant(paths, dtype)
    vae = AutoencoderKL.from_pretrained(
        folder, dtype=dtype, variant=variant, use_safetensors=True, local_files_only=True
    )
    check_complete(folder, read_part(folder, variant), vae)
    return vae
