"""Derives all randomness from seed, stage and step, so there is no state to save or restore."""

from enum import IntEnum

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
        self._round, self._order = -1, np.empty(0, np.int64)

    def indices(self, step: int) -> NDArray[np.int64]:
        """Return the picture indices of one step, [batch]."""
        a_round, place = divmod(step, self._count // self._batch)
        if a_round != self._round:
            rng = np.random.default_rng((self._seed, self._stream, a_round, 2))
            self._round, self._order = a_round, rng.permutation(self._count)
        return self._order[place * self._batch : (place + 1) * self._batch]
