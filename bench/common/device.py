"""The torch device that a benchmark runs on, and its name."""

import torch

from bench.common.processor import processor_name


def choose_device(name: str) -> str:
    """Return the named device; `auto` is CUDA if there is a GPU, else the CPU."""
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return name


def device_name(device: torch.device) -> str:
    """Return the maker's name of the device."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{processor_name()} (CPU)"
