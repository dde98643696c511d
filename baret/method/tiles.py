"""Overlapping tiles that cover a field, cut out and blended again.

h, w height and width of the field · n tiles, all of the same height and width.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

OVERLAP = 0.25  # of a tile's side, at least


@dataclass(frozen=True)
class Tiles:
    """Where the tiles of a field lie."""

    size: tuple[int, int]  # (h, w)
    tile: tuple[int, int]  # (height, width)
    corners: tuple[tuple[int, int], ...]  # (top, left) of each, row by row

    @classmethod
    def over(cls, size: tuple[int, int], tile: tuple[int, int]) -> Self:
        """Cover a field with as few tiles as overlap enough, none larger than the field."""
        tile = min(size[0], tile[0]), min(size[1], tile[1])
        tops, lefts = (_starts(*sides) for sides in zip(size, tile, strict=True))
        return cls(size, tile, tuple((top, left) for top in tops for left in lefts))

    def __len__(self) -> int:
        return len(self.corners)

    def scaled(self, factor: int) -> "Tiles":
        """Return the same tiles over a field that is several times as fine."""
        size, tile, *corners = (
            (y * factor, x * factor) for y, x in (self.size, self.tile, *self.corners)
        )
        return Tiles(size, tile, tuple(corners))

    def cut(self, field: Tensor) -> Iterator[Tensor]:
        """Cut the tiles [..., height, width] out of a field [..., h, w]."""
        height, width = self.tile
        for top, left in self.corners:
            yield field[..., top : top + height, left : left + width]

    def blend(self, tiles: Sequence[Tensor]) -> Tensor:
        """Lay tiles [c, height, width] over each other, each fading out to its border: [c, h, w].

        The steps of a denoising are blended so in MultiDiffusion (arXiv 2302.08113).
        """
        height, width = self.tile
        window = (_ramp(height)[:, None] * _ramp(width)).to(tiles[0])
        total = tiles[0].new_zeros((len(tiles[0]), *self.size))
        weight = tiles[0].new_zeros(self.size)
        for (top, left), tile in zip(self.corners, tiles, strict=True):
            total[:, top : top + height, left : left + width] += window * tile
            weight[top : top + height, left : left + width] += window
        return total / weight


def reach(tile: int, count: int) -> int:
    """Return the longest side that some tiles with a side of `tile` cover with enough overlap."""
    return tile + (count - 1) * _stride(tile)


def _stride(tile: int) -> int:
    return tile - math.ceil(OVERLAP * tile)


def _starts(side: int, tile: int) -> list[int]:
    """Spread as few tiles as cover a side evenly over it."""
    count = 1 + math.ceil((side - tile) / _stride(tile))
    return [round(i * (side - tile) / max(1, count - 1)) for i in range(count)]


def _ramp(side: int) -> Tensor:
    """Return weights that rise from both ends over the overlap, above 0, [side]."""
    distance = torch.arange(side).minimum(torch.arange(side).flip(0)) + 1
    return (distance / (1 + OVERLAP * side)).clamp(max=1)
