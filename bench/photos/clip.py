"""CLIP similarities of pictures and texts, with transformers' CLIPModel.

d width of the shared space.
"""

from typing import Any

import torch
from huggingface_hub.errors import HfHubHTTPError
from PIL import Image
from torch import Tensor
from transformers import CLIPImageProcessorPil, CLIPModel, CLIPTokenizer

from bench.photos.errors import WeightsError


class Clip:
    """A frozen CLIP.

    PIE-Bench's figures are of `openai/clip-vit-large-patch14` (PnPInversion,
    evaluation/matrics_calculator.py).
    """

    def __init__(self, name_or_path: str, device: torch.device):
        """Load a hub id or a folder.

        Raises:
            WeightsError: it cannot be loaded.
        """
        self._device = device
        try:
            # In evaluation mode already. Any: the library's decorators hide its types.
            model: Any = CLIPModel.from_pretrained(name_or_path)
            self._model = model.to(device)
            # Pillow's bicubic, as CLIP's authors resize; not torchvision's.
            self._images = CLIPImageProcessorPil.from_pretrained(name_or_path)
            self._tokens = CLIPTokenizer.from_pretrained(name_or_path)
        except (OSError, ValueError, HfHubHTTPError) as error:
            raise WeightsError(
                f"No CLIP can be loaded from {name_or_path!r}. Give --clip a hub id that can be "
                "reached or a folder with a CLIPModel, its tokenizer and its image processor, as "
                "save_pretrained writes them."
            ) from error

    @torch.no_grad()
    def image(self, picture: Image.Image) -> Tensor:
        """A picture's embedding, [d], of length 1."""
        pixels = self._images(images=picture.convert("RGB"), return_tensors="pt")["pixel_values"]
        found = self._model.get_image_features(pixel_values=pixels.to(self._device))
        return _unit(found.pooler_output[0])

    @torch.no_grad()
    def text(self, text: str) -> Tensor:
        """A text's embedding, [d], of length 1; what is beyond CLIP's length is cut."""
        length = self._model.config.text_config.max_position_embeddings
        tokens = self._tokens(text, truncation=True, max_length=length, return_tensors="pt")
        found = self._model.get_text_features(
            input_ids=tokens["input_ids"].to(self._device),
            attention_mask=tokens["attention_mask"].to(self._device),
        )
        return _unit(found.pooler_output[0])


def _unit(embedding: Tensor) -> Tensor:
    unit: Tensor = embedding.float() / embedding.float().norm()
    return unit


def similarity(picture: Tensor, text: Tensor) -> float:
    """100 · max(cos, 0), as torchmetrics' CLIPScore and with it PIE-Bench's tables have it.

    Args:
        picture: embedding, [d], of length 1.
        text: likewise.
    """
    return max(100 * float(picture @ text), 0.0)


def directional(before: Tensor, after: Tensor, caption: Tensor, prompt: Tensor) -> float | None:
    """cos of the change of the picture and the change of the text.

    StyleGAN-NADA (arXiv 2108.00946, equation 3), on embeddings of length 1 as InstructPix2Pix's
    figure 8 (arXiv 2211.09800).

    Args:
        before, after: embeddings of the photo and the edit, [d].
        caption, prompt: of their texts, [d].

    Returns:
        −1 to 1; None where one of them did not change.
    """
    picture, text = after - before, prompt - caption
    lengths = float(picture.norm() * text.norm())
    return float(picture @ text) / lengths if lengths > 0 else None
