"""Seconds and memory of an edit by the photo's size, each measured in a process of its own.

The photo is a picture of the small world, enlarged to 4:3. Memory is the process's peak beyond that
of an edit of a small photo, which holds the model's own need; on CUDA it is the device's peak.
"""

import argparse
import json
import resource
import subprocess
import sys
from dataclasses import asdict, dataclass

import torch
from PIL import Image

from baret import EditOptions, Editor
from bench.edits.cases import SPLITS, task

DETAILS = ("off", "auto", "full")


@dataclass(frozen=True)
class Cost:
    """What an edit of a photo of some size costs."""

    megapixels: int
    detail: str
    seconds: dict[str, float]  # by stage
    memory_mib: float  # of the process, beyond an edit of a small photo
    device_mib: float | None  # of a GPU, in all; None on the CPU


def costs(model: str, device: str, dtype: str, megapixels: tuple[int, ...]) -> list[Cost]:
    """Measure every size with every detail.

    Raises:
        subprocess.CalledProcessError: one of them failed; its own message says why.
    """
    command = [sys.executable, "-m", "bench.detail.cost", model, device, dtype]
    return [
        Cost(**json.loads(subprocess.check_output([*command, str(size), detail], text=True)))
        for size in megapixels
        for detail in DETAILS
    ]


def measure(model: str, device: str, dtype: str, megapixels: int, detail: str) -> Cost:
    """Measure one edit in this process, after a warm-up with a small photo."""
    editor = Editor.from_pretrained(model, device=device, dtype=dtype)
    case = task(SPLITS["tuning"]()[0], 2 * editor.model.native_size)
    options = EditOptions(detail="full")
    small = Image.fromarray(case.source)
    editor.edit(small, case.prompt, options)
    height = round((megapixels * 1e6 * 3 / 4) ** 0.5)
    photo = small.resize((round(height * 4 / 3), height), Image.Resampling.LANCZOS)
    before = _peak_mib()
    result = editor.edit(photo, case.prompt, EditOptions(detail=detail))  # type: ignore[arg-type]
    on_cuda = editor.model.device.type == "cuda"
    seconds = {stage: round(spent, 2) for stage, spent in result.seconds.items()}
    peak = torch.cuda.max_memory_allocated() / 2**20 if on_cuda else None
    return Cost(megapixels, detail, seconds, _peak_mib() - before, peak)


def _peak_mib() -> float:
    """Return the largest resident memory of this process so far (Linux)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Print the cost of one edit as JSON."""
    parser = argparse.ArgumentParser(prog="python -m bench.detail.cost", description=__doc__)
    for name in ("model", "device", "dtype"):
        parser.add_argument(name)
    parser.add_argument("megapixels", type=int)
    parser.add_argument("detail", choices=DETAILS)
    given = parser.parse_args()
    cost = measure(given.model, given.device, given.dtype, given.megapixels, given.detail)
    print(json.dumps(asdict(cost)))


if __name__ == "__main__":
    main()
