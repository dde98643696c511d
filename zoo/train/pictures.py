"""Stores renders of the world and their labels as arrays on disk.

N pictures · S pixels on a side · A attributes.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zoo.scene import Scene
from zoo.split import training_scene, validation_scene
from zoo.train import rendering
from zoo.train.options import TrainOptions

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Pictures:
    """Renders and their labels.

    Attributes:
        pixels: [N, S, S, 3] uint8, mapped from disk.
        labels: [N, A] int64, in ATTRIBUTES' order.
    """

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]

    def batch(self, indices: NDArray[np.int64], device: torch.device) -> Tensor:
        """Return pictures as [b, 3, S, S] float32, −1…1, channels last in memory."""
        return to_images(self.pixels[indices], device)


def to_images(pixels: NDArray[np.uint8], device: torch.device) -> Tensor:
    """Turn [b, H, W, 3] uint8 into [b, 3, H, W] float32, −1…1, channels last in memory."""
    images = torch.tensor(pixels, device=device).permute(0, 3, 1, 2)
    return (images.float() / 127.5 - 1).contiguous(memory_format=torch.channels_last)


def to_pixels(images: Tensor) -> NDArray[np.uint8]:
    """Turn [b, 3, H, W], −1…1, into [b, H, W, 3] uint8."""
    values = ((images.float().clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    pixels: NDArray[np.uint8] = values.permute(0, 2, 3, 1).cpu().numpy()
    return pixels


def training(options: TrainOptions) -> Pictures:
    """Load the training pictures of a run."""
    return _load(options.out, "training")


def validation(options: TrainOptions) -> Pictures:
    """Load the validation pictures of a run, whose seeds are never used in training."""
    return _load(options.out, "validation")


def _load(folder: Path, part: str) -> Pictures:
    pixels = np.load(folder / f"{part}.npy", mmap_mode="r")
    return Pictures(pixels, np.load(folder / f"{part}_labels.npy"))


def _parts(
    options: TrainOptions,
) -> tuple[tuple[str, Callable[[int], Scene], tuple[int, ...]], ...]:
    """Return name, scenes and shape of both arrays."""
    shape = (options.size, options.size, 3)
    return (
        ("training", training_scene, (options.pictures, *shape)),
        ("validation", validation_scene, (options.validation, *shape)),
    )


def drawn(options: TrainOptions) -> bool:
    """Return whether all pictures of a run are rendered."""
    return all(_there(options.out / f"{part}.npy", shape) for part, _, shape in _parts(options))


def draw(options: TrainOptions, workers: int) -> None:
    """Render the missing pictures."""
    for part, scene, shape in _parts(options):
        stem = options.out / part
        if not _there(stem.with_suffix(".npy"), shape):
            log.info("rendering %d pictures for %s", shape[0], part)
            rendering.draw(stem, scene, count=shape[0], size=options.size, workers=workers)


def _there(path: Path, shape: tuple[int, ...]) -> bool:
    """Return whether the array exists.

    Raises:
        ValueError: it exists with a different shape.
    """
    if not path.is_file():
        return False
    if (found := np.load(path, mmap_mode="r").shape) != shape:
        raise ValueError(f"{path} holds {found}, not {shape}: take another --out.")
    return True
