"""torch and the GPU. Importing this module loads torch."""

import shutil

import torch

from cli.checks.findings import Finding, gib

MIN_GPU_MEMORY = 4 * 2**30  # bytes: Stable Diffusion 1.5 in float16 with one edit


def check_device(device: str) -> list[Finding]:
    """Return what was found; `device` is the one in the settings."""
    if torch.cuda.is_available():
        return [_gpu(number) for number in range(torch.cuda.device_count())]
    if device.startswith("cuda"):
        todo = "Set BARET_DEVICE=auto, or install a driver and a torch for CUDA."
        return [Finding("GPU", "wrong", f"BARET_DEVICE={device}, but torch finds no GPU", todo)]
    if shutil.which("nvidia-smi"):
        why = "is built for the CPU" if torch.version.cuda is None else "cannot use it"
        todo = "Install a torch for CUDA (pytorch.org), and a driver that is new enough for it."
        return [Finding("GPU", "wrong", f"NVIDIA's driver is here, but torch {why}", todo)]
    threads = torch.get_num_threads()
    detail = f"none; torch {torch.__version__} uses {threads} CPU threads"
    todo = "The bundled model takes seconds an edit, Stable Diffusion minutes to hours."
    return [Finding("GPU", "note", detail, todo)]


def _gpu(number: int) -> Finding:
    free, total = torch.cuda.mem_get_info(number)
    name = torch.cuda.get_device_name(number)
    detail = f"{name}, {gib(free)} of {gib(total)} free, torch {torch.__version__}"
    if free < MIN_GPU_MEMORY:
        todo = "Stable Diffusion needs about 4 GiB: end what else uses the GPU."
        return Finding(f"GPU {number}", "note", detail, todo)
    return Finding(f"GPU {number}", "ok", detail)
