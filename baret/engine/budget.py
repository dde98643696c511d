"""How much fits into a call of the UNet.

What rows need of memory and time grows with their latent pixels, b·h·w.
"""

import gc
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self

import psutil
import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from baret.unet.requests import AddedConditions, Conditioning, Request, stack_added

MAX_ROWS = 64  # of native size; several hundred would no longer fit into a CPU's caches
MEMORY_SHARE = 0.7  # of free memory, for calls; the rest is for the VAE and other threads
# On CUDA, recorded calls keep as much memory as the largest of them needs, beside that of the calls
# that are not recorded: an H100's 80 GB were once too little for 16 edits at once.
CUDA_SHARE = MEMORY_SHARE / 2


@dataclass(frozen=True)
class Budget:
    """How many latent pixels a call may have; unlimited by default."""

    latent_pixels: int = sys.maxsize
    # Of a call with gradients, which keeps its activations.
    gradient_latent_pixels: int = sys.maxsize

    def fits(self, latent_pixels: int, *, gradient: bool) -> bool:
        """Return whether a call may have this many latent pixels."""
        return latent_pixels <= (self.gradient_latent_pixels if gradient else self.latent_pixels)

    def parts(self, request: Request) -> list[Request]:
        """Cut a request into calls that fit. One with coupled rows stays whole."""
        limit = self.gradient_latent_pixels if request.target else self.latent_pixels
        count = max(1, limit * len(request) // request.latent_pixels)  # rows a call
        if request.coupled or count >= len(request):
            return [request]
        return [request.rows(start, start + count) for start in range(0, len(request), count)]

    def halved(self, request: Request) -> Self:
        """Return the budget to try after the device had no room for a request's largest part."""
        half = max(part.latent_pixels for part in self.parts(request)) // 2
        if request.target:
            gradient = max(1, min(self.gradient_latent_pixels // 2, half))
            return type(self)(self.latent_pixels, gradient)
        return type(self)(max(1, min(self.latent_pixels // 2, half)), self.gradient_latent_pixels)


class Measurable(Protocol):
    """What measuring needs of a model."""

    unet: Any
    device: torch.device
    native_size: int
    multiple: int

    def embed(self, prompt: str) -> Conditioning:
        """Return the conditioning of a text."""

    def predict_noise(
        self,
        latents: Tensor,
        timesteps: Sequence[int],
        embeddings: Tensor,
        added: AddedConditions | None = None,
    ) -> Tensor:
        """Return ε of each row."""


def measure(model: Measurable) -> Budget:
    """Measure what fits beside a loaded model, by running one row forward and one backward.

    On CUDA the peaks of both are measured. Elsewhere the activations saved for the backward pass
    are counted and stand for the forward pass too, which needs less.
    """
    native = model.native_size // model.multiple
    side = min(native, max(16, native // 2))  # smaller, for speed; as deep as UNets halve it
    on_cuda = model.device.type == "cuda"
    forward, backward = (_peak_bytes if on_cuda else _saved_bytes)(model, side)
    share = CUDA_SHARE if on_cuda else MEMORY_SHARE
    room, limit = share * free_bytes(model.device), MAX_ROWS * native**2
    return Budget(
        min(limit, int(room / forward * side**2)), min(limit, int(room / backward * side**2))
    )


def _saved_bytes(model: Measurable, side: int) -> tuple[int, int]:
    """Count the bytes that a row saves for its backward pass, for both passes."""
    weights = {parameter.data_ptr() for parameter in model.unet.parameters()}
    saved: dict[int, int] = {}

    def save(tensor: Tensor) -> Tensor:
        if tensor.data_ptr() not in weights:
            saved[tensor.data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with saved_tensors_hooks(save, lambda tensor: tensor):
        _run_row(model, side, gradient=True)
    total = max(1, sum(saved.values()))
    return total, total


def _peak_bytes(model: Measurable, side: int) -> tuple[int, int]:
    """Measure the peak above what is allocated, of a row forward, and of one with gradient."""
    peaks = []
    for gradient in (False, True):
        _run_row(model, side, gradient=gradient)  # kernels allocate workspaces on a first run
        before = torch.cuda.memory_allocated(model.device)
        torch.cuda.reset_peak_memory_stats(model.device)
        _run_row(model, side, gradient=gradient)
        peaks.append(max(1, torch.cuda.max_memory_allocated(model.device) - before))
    return peaks[0], peaks[1]


def _run_row(model: Measurable, side: int, *, gradient: bool) -> None:
    latents = torch.zeros(1, 4, side, side, device=model.device)
    empty = model.embed("")
    text = empty.embedding[None].requires_grad_(gradient)
    with torch.set_grad_enabled(gradient):
        noise = model.predict_noise(latents, [1], text, stack_added([empty]))
        if gradient:
            torch.autograd.grad(noise.square().mean(), text)


def release_memory(device: torch.device) -> None:
    """Give back the memory of what was dropped, to other models and to the system."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()


def free_bytes(device: torch.device) -> float:
    """Return the memory that is free on the device, or to this process."""
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
