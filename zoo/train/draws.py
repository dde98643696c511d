"""Derives all randomness from seed, stage and step, so there is no state to save or restore."""

from enum import IntEnum
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray


class Stream(IntEnum):
    """The stage that draws random numbers."""

    JUDGE = 1
    VAE = 2
    DENOISER = 3
    FIGURES = 4


def numbers(seed: int, stream: Stream, step: int) -> np.random.Generator:
    """Return the numpy generator for one step."""
    return np.random.default_rng((seed, stream, step))


def noise(seed: int, stream: Stream, step: int) -> torch.Generator:
    """Return the torch generator for one step, on the CPU so that devices get the same numbers."""
    state = np.random.SeedSequence((seed, stream, step, 1)).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state[0] >> 1))


class Batches:
    """Assigns pictures to steps; each round goes through all pictures in a new order."""

    def __init__(self, count: int, batch: int, seed: int, stream: Stream):
        """Divide `count` pictures into batches of `batch` per step."""
        self._count, self._batch, self._seed, self._stream = count, batch, seed, stream

    def indices(self, step: int) -> NDArray[np.int64]:
        """Return the picture indices of one step, [batch]."""
        a_round, place = divmod(step, self._count // self._batch)
        order = _order(self._count, self._seed, self._stream, a_round)
        return order[place * self._batch : (place + 1) * self._batch]


@lru_cache(maxsize=2)
def _order(count: int, seed: int, stream: Stream, a_round: int) -> NDArray[np.int64]:
    return np.random.default_rng((seed, stream, a_round, 2)).permutation(count)
