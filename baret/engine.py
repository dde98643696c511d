"""The one place that calls the UNet. Edits are generators that yield what they want of it.

b rows · n tokens · d text width · h, w latent height and width.

An edit yields a `Request` and is resumed with an `Answer`, so it reads like the paper and knows
nothing of batches, progress or cancellation. This engine answers one request at a time; edits of
several threads take turns between calls. Packing rows of many edits into one call comes next.
"""

import threading
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import torch
from torch import Tensor

from baret.attention import AttentionRecorder, Injection, balanced_attention
from baret.errors import memory_errors


@dataclass(frozen=True)
class Where:
    """How far an edit is when it asks: for progress, previews and logs."""

    stage: str  # "inverting", "tuning" or "editing"
    step: int  # timesteps of this stage done
    done: float  # 0–1, share of the stage


@dataclass(frozen=True)
class Request:
    """Rows for the UNet; with a `loss`, its gradient at the embeddings is wanted too."""

    where: Where
    latents: Tensor  # [b, 4, h, w] float32
    timesteps: tuple[int, ...]  # [b]
    embeddings: Tensor  # [b, n, d] float32
    injection: Injection | None = None
    recorder: AttentionRecorder | None = None
    loss: Callable[[Tensor], Tensor] | None = None  # ε [b, 4, h, w] → [b]


@dataclass(frozen=True)
class Answer:
    """What the UNet said."""

    noise: Tensor  # ε, [b, 4, h, w] float32, detached
    losses: Tensor | None = None  # [b] float32
    gradient: Tensor | None = None  # [b, n, d] float32


R = TypeVar("R")
Edit = Generator[Request, Answer, R]


class NoisePredictor(Protocol):
    """What the engine needs of a model."""

    unet: torch.nn.Module
    gradient_scale: float

    def predict_noise(
        self, latents: Tensor, timesteps: Sequence[int], embeddings: Tensor
    ) -> Tensor:
        """ε of rows."""


class Engine:
    """Runs edits on one model."""

    def __init__(self, model: NoisePredictor):
        self._model = model
        self._lock = threading.Lock()

    def run(self, edit: Edit[R], before_call: Callable[[Where], None]) -> R:
        """Run an edit to its end.

        Args:
            edit: the generator.
            before_call: called before every UNet call; what it raises ends the edit.

        Raises:
            OutOfMemory: the device has no room.
        """
        try:
            request = next(edit)
            while True:
                before_call(request.where)
                request = edit.send(self.answer(request))
        except StopIteration as stop:
            result: R = stop.value
            return result
        finally:
            edit.close()

    @memory_errors()
    def answer(self, request: Request) -> Answer:
        """Answer one request; those of other threads wait.

        Raises:
            OutOfMemory: the device has no room.
        """
        with (
            self._lock,
            balanced_attention(self._model.unet, request.injection, request.recorder),
        ):
            if request.loss is None:
                with torch.no_grad():
                    return Answer(self._predict(request, request.embeddings))
            return self._differentiate(request, request.loss)

    def _differentiate(self, request: Request, loss: Callable[[Tensor], Tensor]) -> Answer:
        embeddings = request.embeddings.detach().requires_grad_(True)
        with torch.enable_grad():
            noise = self._predict(request, embeddings)
            losses = loss(noise)
            # Half-precision gradients of a mean over a whole latent underflow unscaled.
            scale = self._model.gradient_scale
            (gradient,) = torch.autograd.grad(losses.sum() * scale, embeddings)
        return Answer(noise.detach(), losses.detach(), gradient / scale)

    def _predict(self, request: Request, embeddings: Tensor) -> Tensor:
        return self._model.predict_noise(request.latents, request.timesteps, embeddings)
