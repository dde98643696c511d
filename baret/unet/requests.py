"""What an edit requests of the device, what it gets back, and how requests share a call.

b rows · n tokens · d text width · p pooled width · h, w latent height and width.

An edit is a generator, a `Routine`. It yields a `Request` for the UNet, or a `DeviceTask` for other
work on the device, and is resumed with the result. So the method reads like the paper and knows
nothing of batches, progress or cancellation.
"""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any, NamedTuple, Self, TypeVar, cast

import torch
from torch import Tensor

from baret.unet.attention import Injection, Recording

# What a row's backward pass to its text costs, in forward passes: docs/performance.md,
# "The lower bound".
BACKWARD_COST = 1.1

V = TypeVar("V")
R = TypeVar("R")


class AddedConditions(NamedTuple):
    """What a UNet of Stable Diffusion XL takes besides the tokens: of one text, or a row each."""

    pooled: Tensor  # [p] or [b, p] float32, the whole text as one vector
    # [6] or [b, 6] float32, pixels: height and width of the original, top and left of the crop,
    # height and width of the result (arXiv 2307.01952, section 2.2).
    sizes: Tensor

    def rows(self, part: slice) -> "AddedConditions":
        """Return some of the rows."""
        return AddedConditions(self.pooled[part], self.sizes[part])

    def zeros(self, rows: int) -> "AddedConditions":
        """Return as many rows of zeros."""
        return AddedConditions(
            self.pooled.new_zeros(rows, self.pooled.shape[-1]),
            self.sizes.new_zeros(rows, self.sizes.shape[-1]),
        )


@dataclass(frozen=True)
class Conditioning:
    """A text as the UNet reads it."""

    embedding: Tensor  # [n, d] float32, what the method tunes and mixes
    added: AddedConditions | None = None  # None for Stable Diffusion 1 and 2

    def lerp(self, other: "Conditioning", weight: float) -> "Conditioning":
        """Mix the embeddings of two texts linearly: this one's at weight 0, the other's at 1."""
        return replace(self, embedding=torch.lerp(self.embedding, other.embedding, weight))

    def with_embedding(self, embedding: Tensor) -> "Conditioning":
        """Return a text with another embedding [n, d], otherwise like this one."""
        return replace(self, embedding=embedding)

    def with_embeddings(self, embeddings: Tensor) -> tuple["Conditioning", ...]:
        """Return a text for each of the embeddings [T, n, d], otherwise like this one."""
        return tuple(self.with_embedding(embedding) for embedding in embeddings)


def stack_embeddings(texts: Sequence[Conditioning]) -> Tensor:
    """Return the embeddings of a text per row, [b, n, d]."""
    return torch.stack([text.embedding for text in texts])


def stack_added(texts: Sequence[Conditioning]) -> AddedConditions | None:
    """Return the added conditions of a text per row; None if the texts have none."""
    added = [text.added for text in texts if text.added is not None]
    return _join_added(added, torch.stack)


def _join_added(
    parts: Sequence[AddedConditions], how: Callable[[list[Tensor]], Tensor]
) -> AddedConditions | None:
    if not parts:
        return None
    return AddedConditions(how([one.pooled for one in parts]), how([one.sizes for one in parts]))


@dataclass(frozen=True)
class StageProgress:
    """How far an edit is within a stage. Progress reports, previews and logs are made of it."""

    stage: str  # "tuning", "inverting", "editing", "detailing" or "decoding"
    step: int  # timesteps of this stage done
    done: float  # 0–1, share of the stage


@dataclass(frozen=True)
class NoiseTarget:
    """The ε that rows should predict. A request that has one also gets the error's gradient."""

    noise: Tensor  # [b, 4, h, w]
    weight: Tensor  # [b], of each row's mean squared error

    def losses(self, noise: Tensor) -> Tensor:
        """Return each row's weighted mean squared error, [b], for ε [b, 4, h, w]."""
        return self.weight * (noise - self.noise).square().mean((1, 2, 3))


@dataclass(frozen=True)
class Request:
    """Rows for the UNet. With a `target`, the gradient of its losses at the embeddings too."""

    progress: StageProgress
    latents: Tensor  # [b, 4, h, w] float32
    timesteps: tuple[int, ...]  # [b]
    embeddings: Tensor  # [b, n, d] float32
    injection: Injection | None = None
    recordings: tuple[Recording, ...] = ()
    target: NoiseTarget | None = None
    added: AddedConditions | None = None  # [b, …], of Stable Diffusion XL

    @classmethod
    def of(
        cls,
        progress: StageProgress,
        latents: Tensor,
        timesteps: tuple[int, ...],
        texts: Sequence[Conditioning],
        *,
        injection: Injection | None = None,
        recordings: tuple[Recording, ...] = (),
        target: NoiseTarget | None = None,
    ) -> Self:
        """Return a request with a text per row, and all that the UNet reads of it."""
        embeddings, added = stack_embeddings(texts), stack_added(texts)
        return cls(progress, latents, timesteps, embeddings, injection, recordings, target, added)

    def __len__(self) -> int:
        return len(self.timesteps)

    @property
    def kind(self) -> tuple[object, ...]:
        """What requests must have in common to share a call."""
        texts = (self.embeddings.shape[1:], self.added is None)
        return (self.latents.shape[1:], *texts, self.target is None)

    @property
    def latent_pixels(self) -> int:
        """b·h·w, which memory and time grow with."""
        return self.latents.shape[0] * self.latents.shape[2] * self.latents.shape[3]

    @property
    def cost(self) -> float:
        """What the request costs, in latent pixels of a forward pass."""
        return self.latent_pixels * (1 if self.target is None else 1 + BACKWARD_COST)

    @property
    def coupled(self) -> bool:
        """Whether its rows need each other in the same call."""
        return self.injection is not None or bool(self.recordings)

    def rows(self, start: int, end: int) -> "Request":
        """Return some of the rows, which must not be coupled."""
        part = slice(start, end)
        return Request(
            self.progress,
            self.latents[part],
            self.timesteps[part],
            self.embeddings[part],
            target=None
            if self.target is None
            else NoiseTarget(self.target.noise[part], self.target.weight[part]),
            added=None if self.added is None else self.added.rows(part),
        )


@dataclass(frozen=True)
class Prediction:
    """The UNet's answer to a request."""

    noise: Tensor  # ε, [b, 4, h, w] float32, detached
    losses: Tensor | None = None  # [b] float32
    gradient: Tensor | None = None  # [b, n, d] float32


@dataclass(frozen=True)
class DeviceTask:
    """Work on the device other than a call of the UNet, such as a pass of the VAE."""

    progress: StageProgress
    work: Callable[[], Any]
    cost: float  # in latent pixels of a UNet's forward pass, as a request's


Routine = Generator[Request | DeviceTask, Any, R]


def on_device(progress: StageProgress, work: Callable[[], V], cost: float) -> Routine[V]:
    """Run some work on the device, from inside a routine: `value = yield from on_device(…)`."""
    return cast("V", (yield DeviceTask(progress, work, cost)))


def merge(requests: Sequence[Request]) -> Request:
    """Return one request for the rows of several of the same kind, in order.

    If only some of the requests have a target, the rows of the others get one of weight 0.
    """
    first = requests[0]
    if len(requests) == 1:
        return first
    starts = [0, *accumulate(len(request) for request in requests)]
    return Request(
        first.progress,
        torch.cat([request.latents for request in requests]),
        tuple(timestep for request in requests for timestep in request.timesteps),
        torch.cat([request.embeddings for request in requests]),
        _merge_injections(requests, starts),
        tuple(
            Recording(recording.row + start, recording.recorder)
            for request, start in zip(requests, starts, strict=False)
            for recording in request.recordings
        ),
        _merge_targets(requests),
        _join_added([one.added for one in requests if one.added is not None], torch.cat),
    )


def _merge_injections(requests: Sequence[Request], starts: Sequence[int]) -> Injection | None:
    """Shift each request's row numbers by its first row; without injection, rows use themselves."""
    if all(request.injection is None for request in requests):
        return None
    self_from: list[int] = []
    cross_from: list[int] = []
    for request, start in zip(requests, starts, strict=False):
        own = tuple(range(len(request)))
        injection = request.injection or Injection(own, own)
        self_from += [row + start for row in injection.self_from]
        cross_from += [row + start for row in injection.cross_from]
    return Injection(tuple(self_from), tuple(cross_from))


def _merge_targets(requests: Sequence[Request]) -> NoiseTarget | None:
    if all(request.target is None for request in requests):
        return None
    targets = [
        request.target
        or NoiseTarget(torch.zeros_like(request.latents), request.latents.new_zeros(len(request)))
        for request in requests
    ]
    return NoiseTarget(
        torch.cat([target.noise for target in targets]),
        torch.cat([target.weight for target in targets]),
    )


def split(prediction: Prediction, requests: Sequence[Request]) -> list[Prediction]:
    """Return the predictions of the requests that were merged, by their rows."""
    predictions = []
    noise, losses, gradient = prediction.noise, prediction.losses, prediction.gradient
    start = 0
    for request in requests:
        part = slice(start, start + len(request))
        if losses is None or gradient is None or request.target is None:
            predictions.append(Prediction(noise[part]))
        else:
            predictions.append(Prediction(noise[part], losses[part], gradient[part]))
        start += len(request)
    return predictions


def join(predictions: Sequence[Prediction]) -> Prediction:
    """Return the prediction of a request whose rows were predicted in parts."""
    if len(predictions) == 1:
        return predictions[0]
    noise = torch.cat([part.noise for part in predictions])
    losses = [part.losses for part in predictions if part.losses is not None]
    gradients = [part.gradient for part in predictions if part.gradient is not None]
    if not losses:
        return Prediction(noise)
    return Prediction(noise, torch.cat(losses), torch.cat(gradients))
