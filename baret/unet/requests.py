"""What an edit asks of the device, what it is answered, and how several ask together.

b rows · n tokens · d text width · h, w latent height and width.

An edit is a generator: it yields a `Request` for the UNet, or a `DeviceTask` for anything else that
the device must do, and is resumed with the answer. So it reads like the paper and knows nothing of
batches, progress or cancellation.
"""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, TypeVar, cast

import torch
from torch import Tensor

from baret.unet.attention import Injection, Recording

BACKWARD = 1.1  # a row's way back to its text beside its way forth (docs/method.md, the floor)

V = TypeVar("V")
R = TypeVar("R")


@dataclass(frozen=True)
class StageProgress:
    """How far an edit is when it asks: for progress, previews and logs."""

    stage: str  # "inverting", "tuning", "editing" or "decoding"
    step: int  # timesteps of this stage done
    done: float  # 0–1, share of the stage


@dataclass(frozen=True)
class NoiseTarget:
    """The ε that rows should be answered with; the gradient of the error is wanted."""

    noise: Tensor  # [b, 4, h, w]
    weight: Tensor  # [b], of each row's mean squared error

    def losses(self, noise: Tensor) -> Tensor:
        """ε [b, 4, h, w] → each row's weighted mean squared error, [b]."""
        return self.weight * (noise - self.noise).square().mean((1, 2, 3))


@dataclass(frozen=True)
class Request:
    """Rows for the UNet; with a `goal`, the gradient of its losses at the embeddings is wanted."""

    where: StageProgress
    latents: Tensor  # [b, 4, h, w] float32
    timesteps: tuple[int, ...]  # [b]
    embeddings: Tensor  # [b, n, d] float32
    injection: Injection | None = None
    recordings: tuple[Recording, ...] = ()
    goal: NoiseTarget | None = None

    def __len__(self) -> int:
        return len(self.timesteps)

    @property
    def kind(self) -> tuple[object, ...]:
        """What requests must have in common to share a call."""
        return (self.latents.shape[1:], self.embeddings.shape[1:], self.goal is None)

    @property
    def latent_pixels(self) -> int:
        """A place is one of a latent's h·w; memory and time of rows grow with them."""
        return self.latents.shape[0] * self.latents.shape[2] * self.latents.shape[3]

    @property
    def cost(self) -> float:
        """What answering costs, in places that are computed forth."""
        return self.latent_pixels * (1 if self.goal is None else 1 + BACKWARD)

    @property
    def coupled(self) -> bool:
        """Whether its rows need each other in the same call."""
        return self.injection is not None or bool(self.recordings)

    def rows(self, start: int, end: int) -> "Request":
        """Some of its rows, where they are not coupled."""
        part = slice(start, end)
        return Request(
            self.where,
            self.latents[part],
            self.timesteps[part],
            self.embeddings[part],
            goal=None
            if self.goal is None
            else NoiseTarget(self.goal.noise[part], self.goal.weight[part]),
        )


@dataclass(frozen=True)
class Answer:
    """What the UNet said."""

    noise: Tensor  # ε, [b, 4, h, w] float32, detached
    losses: Tensor | None = None  # [b] float32
    gradient: Tensor | None = None  # [b, n, d] float32


@dataclass(frozen=True)
class DeviceTask:
    """Work for the device that is not the UNet's: the VAE's passes."""

    where: StageProgress
    work: Callable[[], Any]
    cost: float  # as a request's


Routine = Generator[Request | DeviceTask, Any, R]


def on_device(where: StageProgress, work: Callable[[], V], cost: float) -> Routine[V]:
    """Have the device do some work, in an edit: `value = yield from aside(…)`."""
    return cast("V", (yield DeviceTask(where, work, cost)))


def merge(requests: Sequence[Request]) -> Request:
    """One request for the rows of several of one shape, in order.

    A row without a goal in a merged request with one has the goal of weight 0.
    """
    first = requests[0]
    if len(requests) == 1:
        return first
    starts = [0, *accumulate(len(request) for request in requests)]
    return Request(
        first.where,
        torch.cat([request.latents for request in requests]),
        tuple(timestep for request in requests for timestep in request.timesteps),
        torch.cat([request.embeddings for request in requests]),
        _merged_injection(requests, starts),
        tuple(
            Recording(one.row + start, one.recorder)
            for request, start in zip(requests, starts, strict=False)
            for one in request.recordings
        ),
        _merged_goal(requests),
    )


def _merged_injection(requests: Sequence[Request], starts: Sequence[int]) -> Injection | None:
    """Each request's row numbers count from its own first row; without injection it is itself."""
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


def _merged_goal(requests: Sequence[Request]) -> NoiseTarget | None:
    if all(request.goal is None for request in requests):
        return None
    goals = [
        request.goal
        or NoiseTarget(torch.zeros_like(request.latents), request.latents.new_zeros(len(request)))
        for request in requests
    ]
    return NoiseTarget(
        torch.cat([goal.noise for goal in goals]), torch.cat([g.weight for g in goals])
    )


def split(answer: Answer, requests: Sequence[Request]) -> list[Answer]:
    """The answers to the requests that were merged, by their rows."""
    answers = []
    start = 0
    for request in requests:
        part = slice(start, start + len(request))
        if answer.losses is None or answer.gradient is None or request.goal is None:
            answers.append(Answer(answer.noise[part]))
        else:
            answers.append(Answer(answer.noise[part], answer.losses[part], answer.gradient[part]))
        start += len(request)
    return answers


def joined(answers: Sequence[Answer]) -> Answer:
    """The answer to a request whose rows were asked for in parts."""
    if len(answers) == 1:
        return answers[0]
    noise = torch.cat([answer.noise for answer in answers])
    losses = [answer.losses for answer in answers if answer.losses is not None]
    gradients = [answer.gradient for answer in answers if answer.gradient is not None]
    if not losses:
        return Answer(noise)
    return Answer(noise, torch.cat(losses), torch.cat(gradients))
