"""CLIP similarities of images and texts, with transformers' CLIPModel.

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

    PIE-Bench's figures use `openai/clip-vit-large-patch14` (PnPInversion,
    evaluation/matrics_calculator.py).
    """

    def __init__(self, name_or_path: str, device: torch.device):
        """Load a model from a hub id or a folder.

        Raises:
            WeightsError: the model cannot be loaded.
        """
        self._device = device
        try:
            # In evaluation mode already. Any: the library's decorators hide its types.
            model: Any = CLIPModel.from_pretrained(name_or_path)
            self._model = model.to(device)
            # Resize with Pillow's bicubic filter, as CLIP's authors do, not with torchvision's.
            self._images = CLIPImageProcessorPil.from_pretrained(name_or_path)
            self._tokens = CLIPTokenizer.from_pretrained(name_or_path)
        except (OSError, ValueError, HfHubHTTPError) as error:
            raise WeightsError(
                f"Cannot load a CLIP from {name_or_path!r}. Give --clip a hub id that can be "
                "reached, or a folder with a CLIPModel, its tokenizer and its image processor, as "
                "save_pretrained writes them."
            ) from error

    @torch.no_grad()
    def image(self, image: Image.Image) -> Tensor:
        """Return the embedding of an image, [d], of length 1."""
        pixels = self._images(images=image.convert("RGB"), return_tensors="pt")["pixel_values"]
        output = self._model.get_image_features(pixel_values=pixels.to(self._device))
        return _unit(output.pooler_output[0])

    @torch.no_grad()
    def text(self, text: str) -> Tensor:
        """Return the embedding of a text, [d], of length 1; a text too long for CLIP is cut."""
        length = self._model.config.text_config.max_position_embeddings
        tokens = self._tokens(text, truncation=True, max_length=length, return_tensors="pt")
        output = self._model.get_text_features(
            input_ids=tokens["input_ids"].to(self._device),
            attention_mask=tokens["attention_mask"].to(self._device),
        )
        return _unit(output.pooler_output[0])


def _unit(embedding: Tensor) -> Tensor:
    unit: Tensor = embedding.float() / embedding.float().norm()
    return unit


def similarity(image: Tensor, text: Tensor) -> float:
    """Return 100 · max(cos, 0), as torchmetrics' CLIPScore and therefore PIE-Bench's tables do.

    Args:
        image: embedding, [d], of length 1.
        text: likewise.
    """
    return max(100 * float(image @ text), 0.0)


def directional(before: Tensor, after: Tensor, caption: Tensor, prompt: Tensor) -> float | None:
    """Return the cosine between the change of the image and the change of the text.

    StyleGAN-NADA (arXiv 2108.00946, equation 3), on embeddings of length 1 as InstructPix2Pix's
    figure 8 (arXiv 2211.09800).

    Args:
        before, after: embeddings of the photo and the edit, [d].
        caption, prompt: of their texts, [d].

    Returns:
        −1 to 1; None if one of them did not change.
    """
    image_change, text_change = after - before, prompt - caption
    lengths = float(image_change.norm() * text_change.norm())
    return float(image_change @ text_change) / lengths if lengths > 0 else None
