"""Stable Diffusion on batches, with a count of what a method costs.

b images or rows · n tokens · d text width · h, w latent height and width · H, W pixels.
"""

import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from baret.images import Pixels
from baret.method.ddim import Schedule
from baret.model.description import LoadOptions
from baret.model.loading import load_pipeline
from baret.model.stable_diffusion import StableDiffusion
from baret.unet.predictor import Predictor
from baret.unet.requests import Conditioning, stack_added, stack_embeddings

Images = NDArray[np.uint8]  # [b, H, W, 3]
RowTexts = list[Conditioning]  # [b], a text for each row
V = TypeVar("V")


@dataclass
class Cost:
    """The cost of a run."""

    seconds: float = 0.0
    calls: int = 0  # of the UNet, with any number of rows
    rows: int = 0  # forward
    backward_rows: int = 0
    recalled: bool = False  # some of it was reused, so this is not the whole cost


class BatchModel:
    """A batched view of `StableDiffusion`; nothing is computed differently."""

    def __init__(self, model: StableDiffusion, pipeline: Any):
        """Wrap a model, and the pipeline with the same parts for methods of diffusers."""
        self.model, self.pipeline = model, pipeline
        self.predictor = Predictor(model)
        self._memory: dict[Hashable, Any] | None = None
        self._recalled = False
        self._embed = lru_cache(maxsize=1024)(model.embed)

    @classmethod
    def from_pretrained(
        cls, name_or_path: str, *, device: str = "cpu", dtype: torch.dtype = torch.float32
    ) -> "BatchModel":
        """Load a model as `StableDiffusion.from_pretrained` does.

        Raises:
            ModelError: one of its kinds.
        """
        loaded = load_pipeline(name_or_path, LoadOptions(dtype=dtype))
        where = torch.device(device)
        model = StableDiffusion(loaded.pipeline, device=where, dtype=dtype, licence="unknown")
        return cls(model, loaded.pipeline)

    def schedule(self, steps: int) -> Schedule:
        """Return the levels that `steps` DDIM steps visit."""
        return self.model.schedule(steps)

    def tokens(self, text: str) -> list[str]:
        """Return the tokens of a text, without start and end mark."""
        return self.model.tokens(text)

    def embed(self, texts: Sequence[str]) -> RowTexts:
        """Return texts as the UNet reads them, for images of the model's own size."""
        return [self._embed(text) for text in texts]

    def encode(self, images: Images) -> Tensor:
        """Return z_0 of images, [b, 4, h, w] float32."""
        return torch.stack([self.model.encode(image) for image in images])

    def decode(self, latents: Tensor) -> Images:
        """Return images [b, H, W, 3] uint8 of latents [b, 4, h, w]."""
        decoded: list[Pixels] = [self.model.decode(latent) for latent in latents]
        return np.stack(decoded)

    @torch.no_grad()
    def predict(self, latents: Tensor, timestep: int, texts: RowTexts) -> Tensor:
        """Return ε, [b, 4, h, w] float32, of latents [b, 4, h, w] and a text for each."""
        timesteps = (timestep,) * len(latents)
        embeddings, added = stack_embeddings(texts), stack_added(texts)
        return self.model.predict_noise(latents, timesteps, embeddings, added)

    def gradient(
        self,
        latents: Tensor,
        timestep: int,
        texts: RowTexts,
        loss: Callable[[Tensor], Tensor],
    ) -> tuple[Tensor, Tensor]:
        """Return a loss of ε and its gradient with respect to the texts' embeddings.

        Args:
            latents: [b, 4, h, w].
            timestep: one for all rows.
            texts: [b].
            loss: ε [b, 4, h, w] → [b].

        Returns:
            Losses [b] and gradients [b, n, d], float32.
        """
        leaf = stack_embeddings(texts).detach().requires_grad_(True)
        timesteps, added = (timestep,) * len(latents), stack_added(texts)
        with torch.enable_grad():
            losses = loss(self.model.predict_noise(latents, timesteps, leaf, added))
            scale = self.model.gradient_scale
            (gradient,) = torch.autograd.grad(losses.sum() * scale, leaf)
        return losses.detach(), gradient / scale

    @contextmanager
    def remembering(self) -> Iterator[None]:
        """Let `keep` store inside the block, so that settings with the same inversion share it."""
        self._memory = {}
        try:
            yield
        finally:
            self._memory = None

    def keep(self, key: Hashable, value: V) -> V:
        """Store a value, inside `remembering` only, and return it."""
        if self._memory is not None:
            self._memory[key] = value
        return value

    def recall(self, key: Hashable) -> Any:
        """Return the value stored under a key, or None."""
        value = (self._memory or {}).get(key)
        self._recalled = self._recalled or value is not None
        return value

    @contextmanager
    def measured(self) -> Iterator[Cost]:
        """Count all calls of the UNet inside the block, and its seconds."""
        cost = Cost()

        def count(_module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            rows = (args[0] if args else kwargs["sample"]).shape[0]
            text = kwargs["encoder_hidden_states"]
            cost.calls += 1
            cost.rows += rows
            cost.backward_rows += rows if text.requires_grad and torch.is_grad_enabled() else 0

        handle = self.model.unet.register_forward_pre_hook(count, with_kwargs=True)
        self._recalled = False
        started = time.perf_counter()
        try:
            yield cost
            if self.model.device.type == "cuda":
                torch.cuda.synchronize()
        finally:
            cost.seconds = time.perf_counter() - started
            cost.recalled = self._recalled
            handle.remove()
