"""A model's text encoders: what the UNet reads of a text.

n tokens · d text width · p pooled width.

Stable Diffusion 1 and 2 have one encoder. Stable Diffusion XL has two, CLIP's and OpenCLIP's, whose
embeddings are joined along d; the second also gives the whole text as one vector (arXiv 2307.01952,
section 2.1).
"""

from collections.abc import Sequence
from typing import Any

import torch
from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline
from torch import Tensor

from baret.errors import UnsupportedModel
from baret.model.windows import TextToken
from baret.unet.requests import AddedConditions, Conditioning

AnyPipeline = StableDiffusionPipeline | StableDiffusionXLPipeline


class TextEncoders:
    """The one or two text encoders of a model, which read the same tokens."""

    def __init__(self, pipeline: Any):
        """Take them from a pipeline.

        Raises:
            UnsupportedModel: two encoders have different vocabularies or lengths.
        """
        self.is_xl = getattr(pipeline, "text_encoder_2", None) is not None
        second = (pipeline.text_encoder_2,) if self.is_xl else ()
        self.modules: tuple[Any, ...] = (pipeline.text_encoder, *second)
        self.tokenizer = pipeline.tokenizer
        tokenizers = [pipeline.tokenizer, *([pipeline.tokenizer_2] if self.is_xl else [])]
        self._pads = [tokenizer.pad_token_id for tokenizer in tokenizers]
        # Stable Diffusion XL was trained with zeros in place of the empty text.
        self._empty_is_zero = self.is_xl and pipeline.config.force_zeros_for_empty_prompt
        lengths = {module.config.max_position_embeddings for module in self.modules}
        if len(lengths) > 1 or any(
            one.get_vocab() != self.tokenizer.get_vocab() for one in tokenizers[1:]
        ):
            raise UnsupportedModel("The model's two text encoders do not read the same tokens.")
        (self.length,) = lengths

    def to(self, dtype: torch.dtype) -> None:
        """Change the dtype of their weights."""
        for module in self.modules:
            module.to(dtype)

    @torch.no_grad()
    def embed(self, windows: Sequence[Sequence[TextToken]], size: tuple[int, int]) -> Conditioning:
        """Encode each window by itself and join their embeddings.

        The pooled text is the first window's, as other programs have it.

        Args:
            windows: of a text, each of at most `length` tokens with its start and end.
            size: height and width of the result in pixels, for Stable Diffusion XL.
        """
        if not self.is_xl:
            embeddings: Tensor = self.modules[0](self._ids(windows, 0))[0]
            return Conditioning(embeddings.flatten(0, 1).float())
        outputs = [
            module(self._ids(windows, number), output_hidden_states=True)
            for number, module in enumerate(self.modules)
        ]
        # Both encoders are read before their last layer.
        joined = torch.cat([output.hidden_states[-2] for output in outputs], dim=-1)  # [w, n, d]
        embedding = joined.flatten(0, 1).float()
        # At the end token, found by its place: added words have greater ids than the end token.
        end = outputs[1].last_hidden_state[0, len(windows[0]) + 1]
        pooled = self.modules[1].text_projection(end).float()
        if self._empty_is_zero and not any(windows):
            embedding, pooled = torch.zeros_like(embedding), torch.zeros_like(pooled)
        sizes = torch.tensor([*size, 0, 0, *size], dtype=torch.float32, device=pooled.device)
        return Conditioning(embedding, AddedConditions(pooled, sizes))

    def _ids(self, windows: Sequence[Sequence[TextToken]], encoder: int) -> Tensor:
        """Return the ids of windows for an encoder, padded to its length, [w, n]."""
        start, end = self.tokenizer.bos_token_id, self.tokenizer.eos_token_id
        rows = [[start, *(token.id for token in window), end] for window in windows]
        padded = [row + [self._pads[encoder]] * (self.length - len(row)) for row in rows]
        return torch.tensor(padded, device=self.modules[encoder].device)
