"""The machine: its name, its memory, and its fastest matrix product."""

import os
import platform
import resource
import time
from dataclasses import dataclass
from typing import Self

import torch

from bench.common.device import device_name

SIDES = {"cuda": 16384, "cpu": 2048}  # of the matrices: large enough that only arithmetic counts
FIRST_SIDE = 256
TRIES = 10


@dataclass(frozen=True)
class Machine:
    """The machine of the measurements."""

    name: str
    torch_version: str
    threads: int  # of the CPU
    load: float  # average number of running or waiting processes in the minute before
    ceiling: float  # TFLOP/s of a large matrix product in the model's dtype

    @classmethod
    def of(cls, device: torch.device, dtype: torch.dtype) -> Self:
        """Describe the machine for a model on this device whose UNet is in this dtype."""
        return cls(
            name=device_name(device),
            torch_version=torch.__version__,
            threads=torch.get_num_threads(),
            load=os.getloadavg()[0],
            ceiling=ceiling(device, dtype, SIDES[device.type]),
        )


def ceiling(
    device: torch.device, dtype: torch.dtype, side: int, *, slow_seconds: float = 0.5
) -> float:
    """Return the best TFLOP/s of several products of two square matrices.

    Sides double up to `side`. They stop growing once a product takes `slow_seconds`: a CPU without
    instructions for half precision takes minutes for one that others finish in a moment.
    """
    best, tried = 0.0, min(FIRST_SIDE, side)
    while True:
        seconds = _product_seconds(device, dtype, tried, slow_seconds)
        best = max(best, 2 * tried**3 / seconds / 1e12)
        if tried == side or seconds > slow_seconds:
            return best
        tried = min(2 * tried, side)


def _product_seconds(device: torch.device, dtype: torch.dtype, side: int, slow: float) -> float:
    """Return the fastest of several tries; a slow product is tried once."""
    a, b = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    seconds: list[float] = []
    while len(seconds) < TRIES and (not seconds or seconds[0] < slow):
        synchronize(device)
        started = time.perf_counter()
        a @ b
        synchronize(device)
        seconds.append(time.perf_counter() - started)
    return min(seconds)


def synchronize(device: torch.device) -> None:
    """Wait until a GPU has finished its work: its calls return before that."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def reset_peak(device: torch.device) -> None:
    """Restart the count of `peak_gib` on a GPU; a process' peak cannot be reset."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def peak_gib(device: torch.device) -> float:
    """Return the peak memory: of a GPU since `reset_peak`, else of the process in its life."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**30
    unit = 1 if platform.system() == "Darwin" else 1024  # bytes of ru_maxrss
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30


def peak_title(device: torch.device) -> str:
    """Return what `peak_gib` measures."""
    if device.type == "cuda":
        return "peak of allocated GPU memory, weights included"
    return "peak resident memory of the process so far, loading included"
