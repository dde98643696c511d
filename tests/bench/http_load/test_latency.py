import pytest

from bench.http_load.latency import LatencySummary, quantile


@pytest.mark.parametrize(
    ("share", "expected"), [(0.0, 1), (0.5, 50), (0.99, 99), (0.991, 100), (1.0, 100)]
)
def test_a_quantile_is_one_of_the_values(share, expected):
    # Nearest rank: the smallest value that the share of all does not exceed.
    assert quantile(list(range(100, 0, -1)), share) == expected


def test_the_99th_percentile_of_few_is_their_highest():
    assert quantile([3.0, 1.0, 2.0], 0.99) == 3.0


def test_times_are_told_in_milliseconds():
    assert LatencySummary.of([0.004, 0.001, 0.002]) == LatencySummary(
        count=3, p50=2.0, p99=4.0, max=4.0
    )
