"""What a .safetensors file says of itself: names, shapes and types of its tensors, and metadata.

Its weights are not read, so this takes milliseconds for a file of any size.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import NamedTuple

from safetensors import safe_open

from baret.errors import UnsupportedModel


class TensorInfo(NamedTuple):
    """What a header says of one tensor."""

    shape: tuple[int, ...]
    dtype: str  # as safetensors spells it, such as F16 or F8_E4M3

    @property
    def numel(self) -> int:
        """How many numbers it has."""
        return prod(self.shape)


@dataclass(frozen=True)
class Header:
    """The tensors of a file by name, and its metadata."""

    tensors: Mapping[str, TensorInfo]
    metadata: Mapping[str, str]

    def __contains__(self, name: str) -> bool:
        return name in self.tensors

    def __iter__(self) -> Iterator[str]:
        return iter(self.tensors)

    def shape(self, name: str) -> tuple[int, ...] | None:
        """Return a tensor's shape; None if there is no such tensor."""
        info = self.tensors.get(name)
        return info.shape if info else None

    def part(self, prefix: str) -> "Header":
        """Return the tensors whose names begin with a prefix, without it."""
        found = {
            name.removeprefix(prefix): info
            for name, info in self.tensors.items()
            if name.startswith(prefix)
        }
        return Header(found, self.metadata)

    def renamed(self, names: Mapping[str, str]) -> "Header":
        """Return the header with other names for some tensors."""
        return Header({names.get(n, n): info for n, info in self.tensors.items()}, self.metadata)

    def numel(self) -> int:
        """Return how many numbers all tensors have."""
        return sum(info.numel for info in self.tensors.values())


def read_header(path: Path) -> Header:
    """Read a file's header.

    Raises:
        UnsupportedModel: it is not a readable safetensors file.
    """
    try:
        with safe_open(path, framework="pt") as file:
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
            tensors = {
                name: TensorInfo(tuple(one.get_shape()), one.get_dtype())
                for name, one in slices.items()
            }
            return Header(tensors, file.metadata() or {})
    except Exception as error:  # safetensors does not export its error class
        raise UnsupportedModel(f"{path.name} is not a readable safetensors file.") from error


def join_headers(headers: Iterable[Header]) -> Header:
    """Return the tensors of several files as those of one."""
    tensors: dict[str, TensorInfo] = {}
    metadata: dict[str, str] = {}
    for header in headers:
        tensors |= header.tensors
        metadata |= header.metadata
    return Header(tensors, metadata)
