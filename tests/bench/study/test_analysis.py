import numpy as np
import pytest

from bench.study.analysis import analyse
from bench.study.errors import AnswerError
from tests.bench.study.rated import rating


def _rounds(count, left, right, better, **answers):
    return [rating(left, right, better, pair=i + 1, edit=f"e{i}", **answers) for i in range(count)]


def test_both_counts_for_both_and_neither_for_neither():
    ratings = [
        rating("a", "b", pair=1, edit="e1", asked="both", kept="left"),
        rating("b", "a", pair=2, edit="e2", asked="neither", kept="both"),
        rating("a", "b", pair=3, edit="e3", asked="right", kept="right"),
        rating("a", "b", pair=4, edit="e4", asked="left", kept="neither"),
    ]
    a, b = (analyse(ratings).methods[name] for name in "ab")
    assert (a.asked.mean, a.kept.mean, a.both.mean) == (0.5, 0.5, 0.25)
    assert (b.asked.mean, b.kept.mean, b.both.mean) == (0.5, 0.5, 0.25)
    assert a.asked.count == a.ratings == 4


def test_the_side_does_not_matter():
    one = analyse(_rounds(6, "a", "b", "left")).methods["a"].scores["better"]
    other = analyse(_rounds(6, "b", "a", "right")).methods["a"].scores["better"]
    assert one == other and one.mean > 0


def test_a_tie_is_half_a_win_each_way():
    ratings = [
        rating("a", "b", better, pair=i, edit=f"e{i}")
        for i, better in enumerate(("left", "equal", "equal", "right"), 1)
    ]
    methods = analyse(ratings).methods
    assert methods["a"].wins["better"]["b"].share == 0.5
    assert methods["a"].wins["better"]["b"].count == 4
    assert methods["a"].scores["better"].mean == pytest.approx(0, abs=1e-9)


def test_a_method_that_always_wins_has_an_interval_without_nan():
    methods = analyse(_rounds(8, "a", "b", "left")).methods
    for name in "ab":
        for one in methods[name].scores.values():
            assert np.isfinite([one.mean, one.low, one.high]).all()
    assert methods["a"].wins["better"]["b"].share == 1


def test_methods_that_never_met_stand_in_groups():
    found = analyse(_rounds(3, "a", "b", "left") + _rounds(3, "c", "d", "right"))
    assert found.groups == [["a", "b"], ["c", "d"]]
    assert found.methods["a"].scores["better"].mean == pytest.approx(
        found.methods["d"].scores["better"].mean
    )
    assert set(found.methods["a"].wins["better"]) == {"b"}


def test_ratings_of_one_edit_do_not_count_as_many():
    """Ten raters of one edit tell less about edits than one rater of ten edits."""
    better = ["left"] * 7 + ["right"] * 3
    many = [rating("a", "b", b, pair=i, edit=f"e{i}") for i, b in enumerate(better, 1)]
    few = [rating("a", "b", b, pair=1, rater=f"r{i}") for i, b in enumerate(better)]
    several = analyse(many).methods["a"].scores["better"]
    one = analyse(few).methods["a"].scores["better"]
    assert several.mean == pytest.approx(one.mean)
    assert several.high - several.low > 0.5
    assert one.high - one.low == pytest.approx(0)  # one edit cannot be resampled


def test_what_was_rated_is_counted():
    found = analyse([*_rounds(3, "a", "b", "left"), rating("a", "b", edit="e0", rater="bob")])
    assert found.raters == {"ann": 3, "bob": 1}
    assert (found.pairs, found.edits) == (3, 3)


def test_no_ratings_are_no_result():
    with pytest.raises(AnswerError, match="no answers yet"):
        analyse([])
