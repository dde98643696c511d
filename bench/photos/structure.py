"""The structure distance: how far the self-similarity of DINO's keys moved.

t tokens, the first the class token · d width · H, W pixels.
"""

from typing import Any

import torch
from huggingface_hub.errors import HfHubHTTPError
from torch import Tensor
from torch.nn import functional
from transformers import ViTModel

from bench.photos.errors import WeightsError

# DINO's normalisation is ImageNet's.
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_SIDE = 224  # pixels, of the picture that the ViT sees


class Structure:
    """A frozen DINO-ViT: "Splicing ViT Features" (arXiv 2201.00424), as PIE-Bench computes it.

    PIE-Bench's figures are of DINO's ViT-B/8, `facebook/dino-vitb8`.
    """

    def __init__(self, name_or_path: str, device: torch.device):
        """Load a hub id or a folder.

        Raises:
            WeightsError: it cannot be loaded.
        """
        try:
            # In evaluation mode already. Any: the library's decorators hide its types.
            model: Any = ViTModel.from_pretrained(name_or_path, add_pooling_layer=False)
        except (OSError, ValueError, HfHubHTTPError) as error:
            raise WeightsError(
                f"No DINO-ViT can be loaded from {name_or_path!r}. Give --dino a hub id that can "
                "be reached or a folder with a ViTModel, as save_pretrained writes it."
            ) from error
        self._model = model.to(device)
        self._mean = torch.tensor(_MEAN, device=device)[None, :, None, None]
        self._std = torch.tensor(_STD, device=device)[None, :, None, None]

    def distance(self, edited: Tensor, photo: Tensor) -> float:
        """The mean squared difference of two pictures' self-similarities.

        Args:
            edited: [1, 3, H, W], 0–1, a square.
            photo: likewise.
        """
        moved = self.self_similarity(edited) - self.self_similarity(photo)
        return float(moved.square().mean())

    @torch.no_grad()
    def self_similarity(self, picture: Tensor) -> Tensor:
        """Cosines of the last layer's keys, all heads side by side: [t, t], class token included.

        As PnPInversion's evaluation/matrics_calculator.py has it, so that figures compare, with
        two peculiarities: the pixels are 0–255 when ImageNet's mean and deviation of 0–1 are
        applied, and resizing is bilinear without antialiasing (torchvision 0.13 on tensors).

        Args:
            picture: [1, 3, H, W], 0–1, a square.
        """
        pixels = functional.interpolate(
            picture * 255, size=(_SIDE, _SIDE), mode="bilinear", align_corners=False
        )
        keys: list[Tensor] = []
        project = self._model.layers[-1].attention.k_proj
        handle = project.register_forward_hook(lambda _module, _given, out: keys.append(out))
        try:
            self._model((pixels - self._mean) / self._std, interpolate_pos_encoding=True)
        finally:
            handle.remove()
        (found,) = keys  # [1, t, d]
        return functional.cosine_similarity(found, found[0][:, None], dim=-1, eps=1e-8)
