"""What the products of a training step are computed in."""

from contextlib import AbstractContextManager

import torch

from zoo.train.options import TrainOptions


def autocast(options: TrainOptions, device: torch.device) -> AbstractContextManager[object]:
    """bfloat16 if the options or, by "auto", the device say so; else float32.

    A CPU without bfloat16 instructions computes in it all the same, seven to twelve times slower
    than in float32 (AMD EPYC with AVX2, torch 2.13).
    """
    wanted = options.dtype == "bfloat16" or (options.dtype == "auto" and _has_bfloat16(device))
    return torch.autocast(device.type, torch.bfloat16, enabled=wanted)


def layout(device: torch.device) -> torch.memory_format:
    """Return the fastest layout of pictures for convolutions of few channels."""
    return torch.channels_last if device.type == "cuda" else torch.contiguous_format


def _has_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "cpu":
        return any("bf16" in name and has for name, has in torch.cpu.get_capabilities().items())
    return False
