import csv

import pytest

from bench.study.command import main


def _rows(path):
    return list(csv.DictReader(path.open()))


def test_a_study_on_paper_from_photographs_to_ratings(photographs, tmp_path, capsys):
    study, ratings = str(tmp_path / "study"), tmp_path / "ratings.csv"
    main(["prepare", study, "--folder", str(photographs)])
    assert "2 pairs of 2 methods on 2 edits" in capsys.readouterr().out
    main(["sheets", study, "--per", "1", "--scale", "2"])
    form = tmp_path / "study" / "sheets" / "answers.csv"
    form.write_text("pair,asked,kept,better\n1,left,both,left\n2,neither,both,equal\n")
    main(["enter", study, "--rater", "ann", str(form)])
    assert "2 answers entered; ann has answered 2 of 2 pairs" in capsys.readouterr().out
    main(["export", study, "--csv", str(ratings)])
    assert [(row["pair"], row["asked"], row["rater"]) for row in _rows(ratings)] == [
        ("1", "left", "ann"),
        ("2", "neither", "ann"),
    ]
    assert {row["left"] for row in _rows(ratings)} == {"ours", "theirs"}  # each is left once
    capsys.readouterr()
    main(["export", study])
    assert capsys.readouterr().out == ratings.read_text()

    main(["report", study, "--out", str(tmp_path / "from_study.md")])
    assert "2 ratings of 2 pairs on 2 edits by 1 rater (ann 2)" in capsys.readouterr().out
    main(["report", "--csv", str(ratings), "--out", str(tmp_path / "from_csv.md")])
    assert (tmp_path / "from_csv.md").read_text() == (tmp_path / "from_study.md").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["sheets", "nowhere"], "not a study"),
        (["prepare", "new", "--split", "tuning"], "name the methods"),
        (["report"], "no answers yet"),
        (["report", "--csv", "none.csv"], "none.csv cannot be read"),
        (["prepare", "new", "--folder", "nowhere"], "prompts.json is missing"),
    ],
)
def test_a_failure_is_a_short_message(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match=message):
        main(arguments)
    assert not (tmp_path / "new").exists()
