"""The safety checker that comes with some models, in diffusers' layout."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import StableDiffusionPipeline
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
from PIL import Image
from transformers import CLIPImageProcessorPil

from baret.errors import UnsupportedModel
from baret.model.folder_weights import choose_variant
from baret.model.trust import check_parts

CHECKER, EXTRACTOR = "safety_checker", "feature_extractor"  # folders of a model


class SafetyChecker:
    """Judges images by the concepts that the checker's authors listed."""

    def __init__(self, checker: Any, extractor: Any, *, device: torch.device):
        """Take a `StableDiffusionSafetyChecker` and its image processor."""
        self._checker = checker.requires_grad_(False).eval().to(device)
        self._extractor = extractor

    @property
    def module(self) -> torch.nn.Module:
        """The checker's network."""
        network: torch.nn.Module = self._checker
        return network

    @torch.no_grad()
    def refuses(self, image: Image.Image) -> bool:
        """Return whether the checker refuses an image, RGB of any size."""
        prepared = self._extractor(image, return_tensors="pt").pixel_values  # [1, 3, H, W]
        # It blacks out what it refuses; here, that is a dummy pixel.
        _, refused = self._checker(
            prepared.to(self._checker.device, self._checker.dtype), np.zeros((1, 1, 1, 3))
        )
        return bool(refused[0])


def load_safety_checker(
    name_or_path: str,
    folder: Path | None,
    *,
    device: torch.device,
    dtype: torch.dtype,
    variant: str | None = None,
) -> SafetyChecker | None:
    """Load the safety checker that comes with a model; None if there is none.

    Args:
        name_or_path: as for `StableDiffusion.from_pretrained`, which has loaded the model.
        folder: the one that the model came from, if any.
        device: to run on.
        dtype: of the weights.
        variant: of the model's weights, to download from a hub.

    Raises:
        UnsupportedModel: there is a checker that cannot be loaded.
    """
    if not _has_checker(name_or_path, folder):
        return None
    try:
        source = folder or Path(
            StableDiffusionPipeline.download(name_or_path, variant=variant, use_safetensors=True)
        )
        check_parts(source)
        paths = [path.relative_to(source).as_posix() for path in (source / CHECKER).iterdir()]
        checker = StableDiffusionSafetyChecker.from_pretrained(
            source,
            subfolder=CHECKER,
            dtype=dtype,
            variant=choose_variant(paths, dtype, part=CHECKER),
            use_safetensors=True,
            local_files_only=True,
        )
        extractor = CLIPImageProcessorPil.from_pretrained(
            source, subfolder=EXTRACTOR, local_files_only=True
        )
    except Exception as error:  # the libraries raise many kinds for files that they cannot read
        raise UnsupportedModel(
            f"The safety checker of {folder or name_or_path} cannot be loaded. Turn the content "
            f"check off to use the model without it. {error}"
        ) from error
    return SafetyChecker(checker, extractor, device=device)


def _has_checker(name_or_path: str, folder: Path | None) -> bool:
    if folder is not None:
        return (folder / CHECKER).is_dir()
    if Path(name_or_path).is_file():
        return False
    index = StableDiffusionPipeline.load_config(name_or_path)
    return any(index.get(CHECKER) or ())  # [null, null] if it was removed
