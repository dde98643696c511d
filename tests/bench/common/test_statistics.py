import numpy as np
import pytest

from bench.common.statistics import bootstrap, paired


def test_the_interval_of_a_share_is_that_of_the_binomial():
    values = [True] * 60 + [False] * 140
    interval = bootstrap(values)
    assert interval.mean == pytest.approx(0.3) and interval.count == 200
    half = 1.96 * np.sqrt(0.3 * 0.7 / 200)  # normal approximation: 0.0635
    assert interval.low == pytest.approx(0.3 - half, abs=0.01)
    assert interval.high == pytest.approx(0.3 + half, abs=0.01)


def test_values_that_are_not_there_do_not_count():
    assert bootstrap([None, 1.0, 3.0]).mean == 2
    assert bootstrap([None, None]) is None


def test_equal_values_leave_no_doubt():
    interval = bootstrap([5.0] * 10)
    assert interval.low == interval.mean == interval.high == 5


def test_a_difference_is_taken_edit_by_edit():
    rng = np.random.default_rng(0)
    theirs = rng.normal(20, 5, 100)
    ours = theirs + 1 + rng.normal(0, 0.1, 100)
    interval = paired(ours.tolist(), theirs.tolist())
    # The spread among edits (5) is far greater than the difference (1), and drops out.
    assert 0.95 < interval.low < 1 < interval.high < 1.05


def test_pairs_with_one_value_missing_are_left_out():
    assert paired([3.0, None, 5.0], [1.0, 2.0, None]).mean == 2


def test_the_same_data_give_the_same_interval():
    values = [0.1, 0.5, 0.9, 0.4]
    assert bootstrap(values) == bootstrap(values)
