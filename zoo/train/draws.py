"""Randomness as a function of seed, stage and step: no state, so nothing to save or to restore."""

from enum import IntEnum

import numpy as np
import torch
from numpy.typing import NDArray


class Stream(IntEnum):
    """Which stage draws."""

    JUDGE = 1
    VAE = 2
    DENOISER = 3
    FIGURES = 4


def numbers(seed: int, stream: Stream, step: int) -> np.random.Generator:
    """numpy's generator for one step."""
    return np.random.default_rng((seed, stream, step))


def noise(seed: int, stream: Stream, step: int) -> torch.Generator:
    """torch's generator for one step, on the CPU, so that every device gets the same numbers."""
    state = np.random.SeedSequence((seed, stream, step, 1)).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state[0] >> 1))


class Batches:
    """Which pictures each step gets: all of them in a new order each round."""

    def __init__(self, count: int, batch: int, seed: int, stream: Stream):
        """Of `count` pictures, `batch` a step."""
        self._count, self._batch, self._seed, self._stream = count, batch, seed, stream
        self._round, self._order = -1, np.empty(0, np.int64)

    def indices(self, step: int) -> NDArray[np.int64]:
        """[batch], of one step."""
        a_round, place = divmod(step, self._count // self._batch)
        if a_round != self._round:
            rng = np.random.default_rng((self._seed, self._stream, a_round, 2))
            self._round, self._order = a_round, rng.permutation(self._count)
        return self._order[place * self._batch : (place + 1) * self._batch]
