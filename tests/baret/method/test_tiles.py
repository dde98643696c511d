"""Tiles cover a field, overlap enough, and blend back into it."""

import itertools

import pytest
import torch

from baret.method.tiles import OVERLAP, Tiles, reach

SIDES = [8, 9, 15, 16, 17, 40, 100]


@pytest.mark.parametrize(("side", "other"), list(itertools.product(SIDES, [8, 33])))
def test_tiles_cover_the_field_and_overlap_by_a_quarter(side: int, other: int) -> None:
    tiles = Tiles.over((side, other), (16, 16))
    assert tiles.tile == (min(side, 16), min(other, 16))
    covered = torch.zeros(side, other)
    for part in tiles.cut(covered):
        part.add_(1)
        assert part.shape == tiles.tile
    assert covered.min() >= 1
    tops = sorted({top for top, _ in tiles.corners})
    assert all(a + 16 - b >= OVERLAP * 16 for a, b in itertools.pairwise(tops))


def test_a_blend_of_what_was_cut_is_the_field_itself() -> None:
    field = torch.randn(4, 40, 23, generator=torch.Generator().manual_seed(0))
    tiles = Tiles.over((40, 23), (16, 16))
    assert len(tiles) > 2
    torch.testing.assert_close(tiles.blend(list(tiles.cut(field))), field)


def test_where_tiles_disagree_the_blend_changes_gradually() -> None:
    tiles = Tiles.over((16, 28), (16, 16))
    dark, bright = torch.zeros(1, 16, 16), torch.ones(1, 16, 16)
    row = tiles.blend([dark, bright])[0, 8]
    assert row[0] == 0 and row[-1] == 1
    assert (row.diff() >= 0).all() and row.diff().max() < 0.4


def test_scaled_tiles_lie_over_the_same_parts() -> None:
    tiles = Tiles.over((20, 30), (16, 16))
    fine = tiles.scaled(8)
    assert (fine.size, fine.tile) == ((160, 240), (128, 128))
    assert fine.corners == tuple((8 * top, 8 * left) for top, left in tiles.corners)


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_so_many_tiles_reach_so_far_and_no_further(count: int) -> None:
    side = reach(16, count)
    assert len(Tiles.over((16, side), (16, 16))) == count
    assert len(Tiles.over((16, side + 1), (16, 16))) == count + 1
