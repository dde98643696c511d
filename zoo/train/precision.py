"""Chooses the number format and the memory layout of a training step."""

from contextlib import AbstractContextManager

import torch

from zoo.train.options import TrainOptions


def autocast(options: TrainOptions, device: torch.device) -> AbstractContextManager[object]:
    """Select bfloat16 if the options request it or "auto" finds device support, else float32.

    A CPU without bfloat16 instructions can still compute in bfloat16, but seven to twelve times
    slower than in float32 (AMD EPYC with AVX2, torch 2.13).
    """
    wanted = options.dtype == "bfloat16" or (options.dtype == "auto" and _has_bfloat16(device))
    return torch.autocast(device.type, torch.bfloat16, enabled=wanted)


def layout(device: torch.device) -> torch.memory_format:
    """Return the fastest memory layout of pictures for convolutions with few channels."""
    return torch.channels_last if device.type == "cuda" else torch.contiguous_format


def _has_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "cpu":
        return any("bf16" in name and has for name, has in torch.cpu.get_capabilities().items())
    return False
