from bench.common.markdown import table
from bench.speed.repeats import MedianRange


def test_a_table_is_markdown():
    assert table(("a", "b"), [(1, MedianRange.of([2.0]))]) == (
        "| a | b |\n| --- | --- |\n| 1 | 2 (2 … 2) |"
    )
