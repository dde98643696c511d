"""The one place that calls the UNet: answers a request in one call.

b rows · n tokens · d text width · h, w latent height and width.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from baret.attention import attention_layers, balanced_attention
from baret.errors import memory_errors
from baret.requests import Answer, Goal, Request


class NoisePredictor(Protocol):
    """What is needed of a model."""

    unet: Any
    device: torch.device
    gradient_scale: float

    def predict_noise(
        self, latents: Tensor, timesteps: Sequence[int] | Tensor, embeddings: Tensor
    ) -> Tensor:
        """ε of rows."""


class Predictor:
    """Asks a model. For one thread at a time."""

    def __init__(self, model: NoisePredictor):
        """Take the model.

        Raises:
            AttentionLayoutError: the UNet's attention layers are not those that BAM knows.
        """
        self._model = model
        self._layers = attention_layers(model.unet)

    @memory_errors()
    def answer(self, request: Request) -> Answer:
        """Answer one request.

        Raises:
            OutOfMemory: the device has no room.
        """
        injection = request.injection.on(self._model.device) if request.injection else None
        unet = self._model.unet
        with balanced_attention(unet, self._layers, injection, request.recordings):
            if request.goal is None:
                with torch.no_grad():
                    return Answer(self._predict(request, request.embeddings))
            return self._differentiate(request, request.goal)

    def _differentiate(self, request: Request, goal: Goal) -> Answer:
        embeddings = request.embeddings.detach().requires_grad_(True)
        with torch.enable_grad():
            noise = self._predict(request, embeddings)
            losses = goal.losses(noise)
            # Half-precision gradients of a mean over a whole latent underflow unscaled.
            scale = self._model.gradient_scale
            (gradient,) = torch.autograd.grad(losses.sum() * scale, embeddings)
        return Answer(noise.detach(), losses.detach(), gradient / scale)

    def _predict(self, request: Request, embeddings: Tensor) -> Tensor:
        return self._model.predict_noise(request.latents, request.timesteps, embeddings)
