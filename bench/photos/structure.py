"""The structure distance: the change of the self-similarity of DINO's keys.

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
_SIDE = 224  # pixels, of the ViT's input


class Structure:
    """A frozen DINO-ViT: "Splicing ViT Features" (arXiv 2201.00424), as PIE-Bench computes it.

    PIE-Bench's figures use DINO's ViT-B/8, `facebook/dino-vitb8`.
    """

    def __init__(self, name_or_path: str, device: torch.device):
        """Load a model from a hub id or a folder.

        Raises:
            WeightsError: the model cannot be loaded.
        """
        try:
            # In evaluation mode already. Any: the library's decorators hide its types.
            model: Any = ViTModel.from_pretrained(name_or_path, add_pooling_layer=False)
        except (OSError, ValueError, HfHubHTTPError) as error:
            raise WeightsError(
                f"Cannot load a DINO-ViT from {name_or_path!r}. Give --dino a hub id that can be "
                "reached, or a folder with a ViTModel, as save_pretrained writes it."
            ) from error
        self._model = model.to(device)
        self._mean = torch.tensor(_MEAN, device=device)[None, :, None, None]
        self._std = torch.tensor(_STD, device=device)[None, :, None, None]

    def distance(self, edited: Tensor, photo: Tensor) -> float:
        """Return the mean squared difference of the self-similarities of two images.

        Args:
            edited: [1, 3, H, W], 0–1, a square.
            photo: likewise.
        """
        change = self.self_similarity(edited) - self.self_similarity(photo)
        return float(change.square().mean())

    @torch.no_grad()
    def self_similarity(self, image: Tensor) -> Tensor:
        """Return the cosines of the last layer's keys, all heads concatenated, [t, t].

        Computed as in PnPInversion's evaluation/matrics_calculator.py, so that figures are
        comparable: the class token is included, ImageNet's mean and deviation of 0–1 are applied
        to pixels of 0–255, and resizing is bilinear without antialiasing (torchvision 0.13 on
        tensors).

        Args:
            image: [1, 3, H, W], 0–1, a square.
        """
        pixels = functional.interpolate(
            image * 255, size=(_SIDE, _SIDE), mode="bilinear", align_corners=False
        )
        keys: list[Tensor] = []
        project = self._model.layers[-1].attention.k_proj
        handle = project.register_forward_hook(lambda _module, _inputs, out: keys.append(out))
        try:
            self._model((pixels - self._mean) / self._std, interpolate_pos_encoding=True)
        finally:
            handle.remove()
        (key,) = keys  # [1, t, d]
        return functional.cosine_similarity(key, key[0][:, None], dim=-1, eps=1e-8)
