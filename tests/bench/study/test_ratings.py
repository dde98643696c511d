import pytest

from bench.study.answers import Answer, append
from bench.study.errors import AnswerError, FolderError
from bench.study.ratings import COLUMNS, read_csv, reveal, write_csv
from tests.bench.study.one_colour import METHODS


def _rate(study, rater, *pairs):
    answers = [Answer(pair=pair, asked="left", kept="both", better="right") for pair in pairs]
    append(study.answers, rater, answers)


def test_answers_come_with_what_the_pair_was(study):
    _rate(study, "ann", 3)
    (rating,) = reveal(study)
    pair, key = study.pairs[2], study.key()
    assert (rating.pair, rating.rater, rating.prompt) == (3, "ann", pair.prompt)
    assert (rating.left, rating.right) == (key[pair.left].method, key[pair.right].method)
    assert (rating.edit, rating.kind) == (key[pair.left].edit, key[pair.left].kind)
    assert {rating.left, rating.right} < set(METHODS)


def test_ratings_survive_the_way_through_a_file(study, tmp_path):
    _rate(study, "bob", 2, 1)
    _rate(study, "ann", 1)
    ratings = reveal(study)
    assert [(rating.rater, rating.pair) for rating in ratings] == [
        ("ann", 1),
        ("bob", 1),
        ("bob", 2),
    ]
    path = tmp_path / "ratings.csv"
    with path.open("w", newline="") as file:
        write_csv(file, ratings)
    assert path.read_text().splitlines()[0] == ",".join(COLUMNS)
    assert read_csv(path) == ratings


def test_a_bad_line_of_a_file_is_named(tmp_path):
    path = tmp_path / "ratings.csv"
    path.write_text(",".join(COLUMNS) + "\n1,ann,e0,posture,a cat,a,b,left,both,both\n")
    with pytest.raises(AnswerError, match=r"line 2: (.|\n)*better"):
        read_csv(path)
    path.write_text(",".join(COLUMNS) + "\n1,ann,e0\n")
    with pytest.raises(AnswerError, match="line 2: there must be 10 values"):
        read_csv(path)
    path.write_text("pair,rater\n")
    with pytest.raises(AnswerError, match="the first line must be"):
        read_csv(path)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1,ann,e0,posture,a cat,a,b,right,both,left", "line 3: ann rated pair 1 before"),
        ("1,bob,e1,posture,a dog,a,b,left,both,left", "line 3: pair 1 was another one"),
    ],
)
def test_a_file_rates_each_pair_once_and_is_of_one_study(tmp_path, line, message):
    path = tmp_path / "ratings.csv"
    first = "1,ann,e0,posture,a cat,a,b,left,both,left"
    path.write_text("\n".join([",".join(COLUMNS), first, line]) + "\n")
    with pytest.raises(AnswerError, match=message):
        read_csv(path)


def test_an_answer_about_no_pair_is_refused(study):
    _rate(study, "ann", 99)
    with pytest.raises(FolderError, match="ann answered about 99"):
        reveal(study)
