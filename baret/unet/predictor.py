"""The one place that calls the UNet: answers a request in one call.

b rows · n tokens · d text width · h, w latent height and width.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from baret.errors import memory_errors
from baret.unet.attention import Recording, attention_layers, balanced_attention
from baret.unet.cuda_graphs import GraphCache, Record, padded
from baret.unet.requests import Answer, NoiseTarget, Request, merge, split


class NoisePredictor(Protocol):
    """What is needed of a model."""

    unet: Any
    device: torch.device
    gradient_scale: float

    def predict_noise(
        self, latents: Tensor, timesteps: Sequence[int] | Tensor, embeddings: Tensor
    ) -> Tensor:
        """ε of rows."""


class Rows(NamedTuple):
    """A request as tensors on the device."""

    latents: Tensor  # [b, 4, h, w]
    timesteps: Tensor  # [b] int64
    embeddings: Tensor  # [b, n, d]
    injection: Tensor | None  # [2, b] int64
    goal: Tensor | None  # [b, 4, h, w]
    weight: Tensor | None  # [b]


class Predictor:
    """Asks a model. For one thread, always the same."""

    def __init__(self, model: NoisePredictor, record: Record | None = None):
        """Take the model.

        Args:
            model: predicts noise.
            record: how calls are recorded to be replayed, such as `CudaRecorder`; None: not at all.

        Raises:
            AttentionLayoutError: the UNet's attention layers are not those that BAM knows.
        """
        self._model = model
        self._layers = attention_layers(model.unet)
        self._replayed = None if record is None else GraphCache(self._call, record)

    @memory_errors()
    def answer(self, request: Request) -> Answer:
        """Answer one request.

        Raises:
            OutOfMemory: the device has no room.
        """
        if self._replayed is None or request.recordings:
            return Answer(*self._call(self._rows(request), request.recordings))
        whole = merge([request, _filling(request, padded(len(request)) - len(request))])
        answer = Answer(*self._replayed(self._rows(whole)))
        return split(answer, [request])[0]

    def _rows(self, request: Request) -> Rows:
        device, goal = self._model.device, request.goal
        return Rows(
            request.latents,
            torch.tensor(request.timesteps, device=device),
            request.embeddings,
            None if request.injection is None else request.injection.on(device),
            None if goal is None else goal.noise,
            None if goal is None else goal.weight,
        )

    def _call(
        self, rows: Rows, recordings: Sequence[Recording] = ()
    ) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """ε; with a goal also the losses and their gradient at the embeddings."""
        latents, timesteps, embeddings, injection, goal, weight = rows
        predict = self._model.predict_noise
        with balanced_attention(self._model.unet, self._layers, injection, recordings):
            if goal is None or weight is None:
                with torch.no_grad():
                    return predict(latents, timesteps, embeddings), None, None
            with torch.enable_grad():
                texts = embeddings.detach().requires_grad_(True)
                noise = predict(latents, timesteps, texts)
                losses = NoiseTarget(goal, weight).losses(noise)
                # Half-precision gradients of a mean over a whole latent underflow unscaled.
                scale = self._model.gradient_scale
                (gradient,) = torch.autograd.grad(losses.sum() * scale, texts)
            return noise.detach(), losses.detach(), gradient / scale


def _filling(request: Request, rows: int) -> Request:
    """Rows that mean nothing, to go with a request."""
    return Request(
        request.where,
        request.latents.new_zeros(rows, *request.latents.shape[1:]),
        (0,) * rows,
        request.embeddings.new_zeros(rows, *request.embeddings.shape[1:]),
    )
