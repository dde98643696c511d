"""The safety checker that some models bring along, in diffusers' layout."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import StableDiffusionPipeline
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
from PIL import Image
from transformers import CLIPImageProcessorPil

from baret.errors import UnsupportedModel
from baret.model.trust import check_parts

CHECKER, EXTRACTOR = "safety_checker", "feature_extractor"  # folders of a model


class SafetyChecker:
    """Judges finished pictures by the concepts that its authors listed."""

    def __init__(self, checker: Any, extractor: Any, *, device: torch.device):
        """Take a `StableDiffusionSafetyChecker` and the image processor that prepares for it."""
        self._checker = checker.requires_grad_(False).eval().to(device)
        self._extractor = extractor

    @torch.no_grad()
    def refuses(self, image: Image.Image) -> bool:
        """Whether a picture, RGB of any size, shows what must not be shown."""
        prepared = self._extractor(image, return_tensors="pt").pixel_values  # [1, 3, H, W]
        # It blacks out what it refuses, here in a pixel that nobody looks at.
        _, refused = self._checker(
            prepared.to(self._checker.device, self._checker.dtype), np.zeros((1, 1, 1, 3))
        )
        return bool(refused[0])


def load_safety_checker(
    name_or_path: str, folder: Path | None, *, device: torch.device, dtype: torch.dtype
) -> SafetyChecker | None:
    """The safety checker of a model; None where it brings none.

    Args:
        name_or_path: as `StableDiffusion.from_pretrained` takes it; the model has been loaded.
        folder: that it came from, where there is one.
        device: where it runs.
        dtype: of its weights.

    Raises:
        UnsupportedModel: there is one, and it cannot be loaded.
    """
    if not _brings_one(name_or_path, folder):
        return None
    try:
        where = folder or Path(StableDiffusionPipeline.download(name_or_path, use_safetensors=True))
        check_parts(where)
        checker = StableDiffusionSafetyChecker.from_pretrained(
            where, subfolder=CHECKER, dtype=dtype, use_safetensors=True, local_files_only=True
        )
        extractor = CLIPImageProcessorPil.from_pretrained(
            where, subfolder=EXTRACTOR, local_files_only=True
        )
    except Exception as error:  # whatever the libraries make of a stranger's files
        raise UnsupportedModel(
            f"The safety checker of {folder or name_or_path} cannot be loaded; with the content "
            f"check turned off the model is used without it. {error}"
        ) from error
    return SafetyChecker(checker, extractor, device=device)


def _brings_one(name_or_path: str, folder: Path | None) -> bool:
    if folder is not None:
        return (folder / CHECKER).is_dir()
    if Path(name_or_path).is_file():
        return False
    index = StableDiffusionPipeline.load_config(name_or_path)
    return any(index.get(CHECKER) or ())  # [null, null] where it was taken out
