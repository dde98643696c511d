import pytest

from bench.speed.repeats import MedianRange


def test_a_ratio_is_the_median_of_the_rounds_ratios_and_not_that_of_medians():
    ratio = MedianRange.ratio([3.0, 20.0, 4.0], to=[1.0, 10.0, 4.0])
    assert ratio == MedianRange(median=2.0, low=1.0, high=3.0)
    assert str(ratio) == "2 (1 … 3)"


def test_rounds_without_their_counterpart_are_refused():
    with pytest.raises(ValueError, match="zip"):
        MedianRange.ratio([1.0, 2.0], to=[1.0])
