import json
import re

from bench.study.analysis import analyse
from bench.study.report import page, write
from tests.bench.study.rated import rating


def _study(**answers):
    return [
        rating(left, right, better, pair=i, edit=f"e{i}", **answers)
        for i, (left, right, better) in enumerate(
            [
                ("ours", "theirs", "left"),
                ("theirs", "ours", "right"),
                ("ours", "third", "left"),
                ("third", "theirs", "equal"),
            ],
            1,
        )
    ]


def _rows(text, heading=None):
    """The rows of the first table, or of that under a heading, without its head."""
    part = text.split(f"## {heading}\n")[1] if heading else text
    lines = re.search(r"(?:^\|.*\n)+", part, re.MULTILINE)[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_methods_are_listed_from_the_best_to_the_worst():
    rows = _rows(page(analyse(_study())))
    assert rows[0][:2] == ["ours", "3"]
    assert rows[0][2] == "100% (100% … 100%)"


def test_win_rates_name_the_number_of_comparisons():
    rows = _rows(page(analyse(_study())), "Which looks better?")
    by_name = {row[0]: row[1:] for row in rows}
    assert by_name["**ours**"][0] == "—"
    assert sorted(by_name["**ours**"][1:]) == ["100% of 1", "100% of 2"]


def test_no_table_has_nan_or_none():
    disconnected = [*_study(), rating("x", "y", pair=9, edit="e9", asked="neither")]
    text = page(analyse(disconnected))
    assert "nan" not in text.lower() and "None" not in text
    assert "not comparable" in text


def test_agreement_is_reported_if_raters_shared_pairs():
    alone = page(analyse(_study()))
    assert "No pair was answered by more than one rater." in alone
    together = _study() + _study(rater="bob", asked="left")
    rows = _rows(page(analyse(together)), "Agreement of raters")
    assert rows[0][:3] == ["Which did what was asked?", "4", "0% (0% … 0%)"]
    assert rows[1][3] == "— (all answers are the same)"
    assert rows[2][3].startswith("+1.00")


def test_the_page_has_its_figures_beside_it(tmp_path):
    analysis = analyse(_study())
    write(tmp_path / "docs" / "study.md", analysis)
    assert (tmp_path / "docs" / "study.md").read_text() == page(analysis)
    figures = json.loads((tmp_path / "docs" / "study.json").read_text())
    assert figures["methods"]["ours"]["wins"]["better"]["theirs"] == {"share": 1.0, "count": 2}
