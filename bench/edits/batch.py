"""What a method receives and what it returns.

b images · H, W pixels.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Self, TypeVar

import numpy as np

from bench.edits.cases import Task
from bench.edits.model import BatchModel, Images


@dataclass(frozen=True)
class Batch:
    """Images to edit, each with its texts."""

    sources: Images  # [b, H, W, 3]
    prompts: tuple[str, ...]  # [b], the target texts
    source_captions: tuple[str, ...]  # [b], for the methods that need them
    seeds: tuple[int, ...]  # [b], for random draws

    @classmethod
    def of(cls, tasks: Sequence[Task]) -> Self:
        """Return the tasks without their answers."""
        return cls(
            np.stack([task.source for task in tasks]),
            tuple(task.prompt for task in tasks),
            tuple(task.source_caption for task in tasks),
            tuple(task.index for task in tasks),
        )

    @property
    def key(self) -> str:
        """A digest of everything in the batch."""
        digest = hashlib.sha256(self.sources.tobytes())
        digest.update(repr((self.prompts, self.source_captions, self.seeds)).encode())
        return digest.hexdigest()

    def __len__(self) -> int:
        return len(self.prompts)


@dataclass(frozen=True)
class Edited:
    """The edited images of a batch."""

    images: Images  # [b, H, W, 3]
    # Returns the method's reconstructions of the sources, which do not count towards its cost. None
    # if the method has none.
    reconstruct: Callable[[], Images] | None = None


Options = TypeVar("Options")


@dataclass(frozen=True)
class Method(Generic[Options]):
    """An editing method with the settings that are tried for it."""

    title: str  # in tables and contact sheets
    run: Callable[[BatchModel, Batch, Options], Edited]
    tries: tuple[Options, ...]  # the first is that of its paper or published code
    note: str = ""  # what it receives besides the image and the target text
