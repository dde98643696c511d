"""The only place that calls the UNet: one request, one call.

b rows · n tokens · d text width · p pooled width · h, w latent height and width.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from baret.errors import memory_errors
from baret.unet.attention import Recording, attention_layers, balanced_attention
from baret.unet.cuda_graphs import GraphCache, GraphRecorder, padded_rows
from baret.unet.requests import (
    AddedConditions,
    NoiseTarget,
    Prediction,
    Request,
    merge,
    split,
)


class NoisePredictor(Protocol):
    """What a predictor needs of a model."""

    unet: Any
    device: torch.device
    gradient_scale: float

    def predict_noise(
        self,
        latents: Tensor,
        timesteps: Sequence[int] | Tensor,
        embeddings: Tensor,
        added: AddedConditions | None = None,
    ) -> Tensor:
        """Return ε of each row."""


class Rows(NamedTuple):
    """A request as tensors on the device."""

    latents: Tensor  # [b, 4, h, w]
    timesteps: Tensor  # [b] int64
    embeddings: Tensor  # [b, n, d]
    injection: Tensor | None  # [2, b] int64
    target: Tensor | None  # [b, 4, h, w]
    weight: Tensor | None  # [b]
    pooled: Tensor | None  # [b, p]
    sizes: Tensor | None  # [b, 6]

    @property
    def added(self) -> AddedConditions | None:
        """The added conditions, of Stable Diffusion XL."""
        if self.pooled is None or self.sizes is None:
            return None
        return AddedConditions(self.pooled, self.sizes)


class Predictor:
    """Calls a model's UNet. One predictor must always be used from the same thread."""

    def __init__(self, model: NoisePredictor, recorder: GraphRecorder | None = None):
        """Take the model.

        Args:
            model: predicts noise.
            recorder: records calls so that they can be replayed, such as `CudaRecorder`. None
                calls the UNet directly every time.

        Raises:
            AttentionLayoutError: the UNet's attention layers are not the ones that BAM expects.
        """
        self._model = model
        self._layers = attention_layers(model.unet)
        self._recorder = recorder
        self.forget_graphs()

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return self._model.device

    def forget_graphs(self) -> None:
        """Drop recorded calls, which hold the addresses of the model's weights."""
        recorder = self._recorder
        self._graphs = None if recorder is None else GraphCache(self._call, recorder)

    @memory_errors()
    def answer(self, request: Request) -> Prediction:
        """Predict the noise of a request's rows, and the gradient if it has a target.

        Raises:
            OutOfMemory: the device has no room.
        """
        if self._graphs is None or request.recordings:
            return Prediction(*self._call(self._rows(request), request.recordings))
        padded = merge([request, _padding(request, padded_rows(len(request)) - len(request))])
        prediction = Prediction(*self._graphs(self._rows(padded)))
        return split(prediction, [request])[0]

    def _rows(self, request: Request) -> Rows:
        device, target = self._model.device, request.target
        return Rows(
            request.latents,
            torch.tensor(request.timesteps, device=device),
            request.embeddings,
            None if request.injection is None else request.injection.to_tensor(device),
            None if target is None else target.noise,
            None if target is None else target.weight,
            *(request.added or (None, None)),
        )

    def _call(
        self, rows: Rows, recordings: Sequence[Recording] = ()
    ) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Return ε; with a target also the losses and their gradient at the embeddings."""
        latents, timesteps, embeddings, injection, target, weight, *_ = rows
        predict, added = self._model.predict_noise, rows.added
        with balanced_attention(self._model.unet, self._layers, injection, recordings):
            if target is None or weight is None:
                with torch.no_grad():
                    return predict(latents, timesteps, embeddings, added), None, None
            with torch.enable_grad():
                leaf = embeddings.detach().requires_grad_(True)
                noise = predict(latents, timesteps, leaf, added)
                losses = NoiseTarget(target, weight).losses(noise)
                # Half-precision gradients of a mean over a whole latent underflow unscaled.
                scale = self._model.gradient_scale
                (gradient,) = torch.autograd.grad(losses.sum() * scale, leaf)
            return noise.detach(), losses.detach(), gradient / scale


def _padding(request: Request, rows: int) -> Request:
    """Return rows of zeros, whose predictions are thrown away."""
    return Request(
        request.progress,
        request.latents.new_zeros(rows, *request.latents.shape[1:]),
        (0,) * rows,
        request.embeddings.new_zeros(rows, *request.embeddings.shape[1:]),
        added=None if request.added is None else request.added.zeros(rows),
    )
