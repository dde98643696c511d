"""What fits into a call of the UNet.

A *place* is one of a latent's h·w; what rows need of memory and of time grows with their places.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self

import psutil
import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from baret.unet.requests import Request

MAX_ROWS = 64  # of native size: with several hundred a CPU's caches no longer hold them
SHARE = 0.7  # of what is free that calls may take: the rest is the VAE's and other threads'


@dataclass(frozen=True)
class Budget:
    """Most places of a call; without values, no limit."""

    latent_pixels: int = sys.maxsize
    gradient_latent_pixels: int = (
        sys.maxsize
    )  # of a call with gradients, which keeps its activations

    def holds(self, latent_pixels: int, *, gradient: bool) -> bool:
        """Whether so many fit into a call."""
        return latent_pixels <= (self.gradient_latent_pixels if gradient else self.latent_pixels)

    def parts(self, request: Request) -> list[Request]:
        """A request as calls that fit, where its rows can be told apart."""
        most = self.gradient_latent_pixels if request.goal else self.latent_pixels
        count = max(1, most * len(request) // request.latent_pixels)  # rows a call
        if request.coupled or count >= len(request):
            return [request]
        return [request.rows(start, start + count) for start in range(0, len(request), count)]

    def halved(self, request: Request) -> Self:
        """What to try after the device had no room for a request in the parts it was in."""
        tried = max(part.latent_pixels for part in self.parts(request)) // 2
        if request.goal:
            return type(self)(
                self.latent_pixels, max(1, min(self.gradient_latent_pixels // 2, tried))
            )
        return type(self)(max(1, min(self.latent_pixels // 2, tried)), self.gradient_latent_pixels)


class Measurable(Protocol):
    """What is needed of a model."""

    unet: Any
    device: torch.device
    native_size: int
    multiple: int

    def embed(self, prompt: str) -> Tensor:
        """[n, d]."""

    def predict_noise(
        self, latents: Tensor, timesteps: Sequence[int], embeddings: Tensor
    ) -> Tensor:
        """ε of rows."""


def measure(model: Measurable) -> Budget:
    """What fits beside a loaded model: a row forth and one forth and back are tried.

    On CUDA their peaks are measured. Elsewhere what the way back keeps is counted, and stands for
    the way forth too, which needs less.
    """
    side = model.native_size // model.multiple
    tried = min(side, max(16, side // 2))  # smaller, for speed; as deep as UNets halve it
    forth, back = (_peak if model.device.type == "cuda" else _kept)(model, tried)
    room, most = SHARE * _free(model.device), MAX_ROWS * side**2
    return Budget(min(most, int(room / forth * tried**2)), min(most, int(room / back * tried**2)))


def _kept(model: Measurable, side: int) -> tuple[int, int]:
    """Bytes that a row's way back keeps, for both ways."""
    weights = {parameter.data_ptr() for parameter in model.unet.parameters()}
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        if tensor.data_ptr() not in weights:
            kept[tensor.data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with saved_tensors_hooks(keep, lambda tensor: tensor):
        _row(model, side, gradient=True)
    total = max(1, sum(kept.values()))
    return total, total


def _peak(model: Measurable, side: int) -> tuple[int, int]:
    """Bytes above what is there, at most, of a row forth, and of one forth and back."""
    peaks = []
    for gradient in (False, True):
        _row(model, side, gradient=gradient)  # the first time, kernels take room of their own
        before = torch.cuda.memory_allocated(model.device)
        torch.cuda.reset_peak_memory_stats(model.device)
        _row(model, side, gradient=gradient)
        peaks.append(max(1, torch.cuda.max_memory_allocated(model.device) - before))
    return peaks[0], peaks[1]


def _row(model: Measurable, side: int, *, gradient: bool) -> None:
    latents = torch.zeros(1, 4, side, side, device=model.device)
    text = model.embed("")[None].requires_grad_(gradient)
    with torch.set_grad_enabled(gradient):
        noise = model.predict_noise(latents, [1], text)
        if gradient:
            torch.autograd.grad(noise.square().mean(), text)


def _free(device: torch.device) -> float:
    """Bytes that are free on the device, or to this process."""
    if device.type == "cuda":
        return float(torch.cuda.mem_get_info(device)[0])
    free = float(psutil.virtual_memory().available)
    try:  # a container may be allowed less than the machine has
        limit, used = (
            Path("/sys/fs/cgroup", name).read_text() for name in ("memory.max", "memory.current")
        )
        return min(free, float(limit) - float(used))
    except (OSError, ValueError):  # no such file, or "max"
        return free
