"""Renders with a pool of processes, which do not need to load torch."""

import multiprocessing
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zoo.render import render
from zoo.scene import ATTRIBUTES, Scene, labels
from zoo.train.files import new_array

CHUNK = 32  # pictures per task of the pool


def draw(stem: Path, scene: Callable[[int], Scene], *, count: int, size: int, workers: int) -> None:
    """Render `count` scenes to `<stem>.npy` and `<stem>_labels.npy`."""
    told_at, drawn_at = stem.with_name(f"{stem.name}_labels.npy"), stem.with_suffix(".npy")
    with new_array(told_at, (count, len(ATTRIBUTES)), np.int64) as told:
        told[:] = [labels(scene(index)) for index in range(count)]
    one = partial(_render, scene, size)
    context = multiprocessing.get_context("spawn")  # forking a process with threads may hang
    with (
        new_array(drawn_at, (count, size, size, 3), np.uint8) as pixels,
        context.Pool(min(workers, -(-count // CHUNK))) as pool,
    ):
        for index, picture in enumerate(pool.imap(one, range(count), CHUNK)):
            pixels[index] = picture


def _render(scene: Callable[[int], Scene], size: int, index: int) -> NDArray[np.uint8]:
    picture: NDArray[np.uint8] = render(scene(index), size)
    return picture
