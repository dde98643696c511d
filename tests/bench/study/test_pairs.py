from collections import Counter
from dataclasses import replace

import pytest

from bench.study.errors import SourceError
from bench.study.pairs import count_possible, draw


def _methods(pair):
    return frozenset((pair.left, pair.right))


def test_methods_and_edits_are_compared_equally_often(edits):
    # 4 methods meet in 6 ways: 5 pairs each; 12 edits: 2 or 3 pairs each.
    pairs = draw(edits, 30, 0)
    assert set(Counter(map(_methods, pairs)).values()) == {5}
    assert set(Counter(pair.edit.id for pair in pairs).values()) == {2, 3}


def test_two_methods_meet_on_every_kind_in_its_share(edits):
    # 8 edits of posture, 4 of colour; each two methods meet on 6 of the 12.
    pairs = draw(edits, 36, 0)
    kinds = Counter((_methods(pair), pair.edit.kind) for pair in pairs)
    assert {count for (_, kind), count in kinds.items() if kind == "posture"} <= {3, 4, 5}
    assert {count for (_, kind), count in kinds.items() if kind == "colour"} <= {1, 2, 3}


def test_of_two_methods_each_is_on_the_left_in_half(edits):
    pairs = draw(edits, 36, 0)
    for methods in set(map(_methods, pairs)):
        left = Counter(pair.left for pair in pairs if _methods(pair) == methods)
        assert set(left.values()) == {3}


def test_no_pair_comes_twice(edits):
    pairs = draw(edits, count_possible(edits), 0)
    assert len({(pair.edit.id, _methods(pair)) for pair in pairs}) == 12 * 6


def test_the_seed_decides_pairs_order_and_sides(edits):
    def drawn(seed):
        return [(pair.edit.id, pair.left, pair.right) for pair in draw(edits, 30, seed)]

    assert drawn(1) == drawn(1) != drawn(2)


def test_an_edit_that_a_method_lacks_is_not_paired_for_it(edits):
    without = {name: load for name, load in edits[0].edited.items() if name != "alpha"}
    edits[0] = replace(edits[0], edited=without)
    pairs = draw(edits, count_possible(edits), 0)
    assert len(pairs) == 12 * 6 - 3
    assert not [pair for pair in pairs if pair.edit.id == "e0" and "alpha" in _methods(pair)]


def test_more_pairs_than_there_are_is_refused(edits):
    with pytest.raises(SourceError, match="Only 72 pairs are possible, 73 were requested"):
        draw(edits, 73, 0)


def test_one_method_alone_is_refused(edits):
    alone = [replace(edit, edited={"alpha": edit.edited["alpha"]}) for edit in edits]
    with pytest.raises(SourceError, match="nothing to compare"):
        draw(alone, 1, 0)
