from pathlib import Path

import pytest

from bench.photos.datasets import DATASETS
from bench.photos.judge import Scores
from bench.photos.report import interval, page, summarise
from bench.photos.run import Record

COMMITTED = Path(__file__).parents[3] / "docs" / "benchmarks"


def record(kind: str, psnr: float | None, *, method: str = "baret", seconds: float = 1) -> Record:
    mse = 0.0 if psnr is None else 0.01
    scores = Scores(20.0, None, None, 0.1, 0.2, psnr, 0.1, mse, 0.9)
    return Record(method, "key", kind, "a cat", seconds, "", "", scores)


def test_the_committed_page_is_what_its_figures_give():
    assert (COMMITTED / "photos.md").read_text("utf-8") == page(COMMITTED)


def test_a_table_without_figures_says_so_and_how_to_fill_it(tmp_path):
    text = page(tmp_path)
    assert text.count("**Not measured.**") == 2
    for dataset in DATASETS:
        assert f"python -m bench.photos --dataset {dataset} PATH --model" in text


def test_the_whole_dataset_comes_first_then_each_kind():
    rows = summarise([record("1 a", 20), record("2 b", 30), record("2 b", 40, method="ddim")])
    named = [(row["kind"], row["method"], row["edits"]) for row in rows]
    assert named == [
        ("all", "baret", 2),
        ("all", "ddim", 1),
        ("1 a", "baret", 1),
        ("2 b", "baret", 1),
        ("2 b", "ddim", 1),
    ]


def test_an_exact_background_is_counted_and_not_averaged():
    (row,) = summarise([record("all", 20), record("all", None), record("all", 30)])
    assert row["background_exact"] == 1
    assert row["means"]["background_psnr"][0] == 25
    assert row["means"]["clip_edited"] is None


def test_an_interval_holds_the_mean_and_narrows():
    mean, low, high = interval([0.0, 1.0] * 10)
    assert mean == 0.5 and 0.2 < low < 0.5 < high < 0.8
    _, narrow, wide = interval([0.0, 1.0] * 1000)
    assert wide - narrow < (high - low) / 5
    assert interval([None]) is None
    assert interval([3.0, None]) == pytest.approx((3, 3, 3))
