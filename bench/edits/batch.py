"""What a method is given and what it gives back.

b pictures · H, W pixels.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Self, TypeVar

import numpy as np

from bench.edits.cases import Task
from bench.edits.model import BatchModel, Pictures


@dataclass(frozen=True)
class Batch:
    """Some pictures to edit."""

    sources: Pictures  # [b, H, W, 3]
    prompts: tuple[str, ...]  # [b], what the edited pictures should show
    source_captions: tuple[str, ...]  # [b], for the methods that need to be told
    seeds: tuple[int, ...]  # [b], of whatever is drawn at random

    @classmethod
    def of(cls, tasks: Sequence[Task]) -> Self:
        """The tasks without their answers."""
        return cls(
            np.stack([task.source for task in tasks]),
            tuple(task.prompt for task in tasks),
            tuple(task.source_caption for task in tasks),
            tuple(task.index for task in tasks),
        )

    @property
    def key(self) -> str:
        """A digest of everything in it."""
        digest = hashlib.sha256(self.sources.tobytes())
        digest.update(repr((self.prompts, self.source_captions, self.seeds)).encode())
        return digest.hexdigest()

    def __len__(self) -> int:
        return len(self.prompts)


@dataclass(frozen=True)
class Edited:
    """What a method made of a batch."""

    pictures: Pictures  # [b, H, W, 3]
    # The sources as the method would give them back unedited; not counted into its cost. None
    # where a method has no such thing.
    reconstruct: Callable[[], Pictures] | None = None


Options = TypeVar("Options")


@dataclass(frozen=True)
class Method(Generic[Options]):
    """A method with the settings that are tried for it."""

    title: str  # in tables and on sheets
    run: Callable[[BatchModel, Batch, Options], Edited]
    tries: tuple[Options, ...]  # the first is what its paper or its code says
    note: str = ""  # what it is told beyond picture and target text
