import pytest

from bench.speed.spread import Spread, table


def test_a_ratio_is_the_median_of_the_rounds_ratios_and_not_that_of_medians():
    ratio = Spread.ratio([3.0, 20.0, 4.0], to=[1.0, 10.0, 4.0])
    assert ratio == Spread(median=2.0, low=1.0, high=3.0)
    assert str(ratio) == "2 (1 … 3)"


def test_rounds_without_their_counterpart_are_refused():
    with pytest.raises(ValueError, match="zip"):
        Spread.ratio([1.0, 2.0], to=[1.0])


def test_a_table_is_markdown():
    assert table(("a", "b"), [(1, Spread.of([2.0]))]) == (
        "| a | b |\n| --- | --- |\n| 1 | 2 (2 … 2) |"
    )
