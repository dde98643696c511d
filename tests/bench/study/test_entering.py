import pytest

from bench.study.answers import Answer
from bench.study.entering import read_answers
from bench.study.errors import AnswerError
from bench.study.sheets import FORM, write_sheets

HEADER = "pair,asked,kept,better\n"


def _file(tmp_path, text):
    path = tmp_path / "given.csv"
    path.write_text(text)
    return path


def test_answers_are_read(study, tmp_path):
    path = _file(tmp_path, HEADER + "2,left,both,equal\n1, Right ,neither,left\n")
    assert read_answers(study, path) == [
        Answer(pair=2, asked="left", kept="both", better="equal"),
        Answer(pair=1, asked="right", kept="neither", better="left"),
    ]


def test_the_form_can_be_filled_in_part(study, tmp_path):
    write_sheets(study, tmp_path, per=6)
    form = tmp_path / FORM
    assert read_answers(study, form) == []
    form.write_text(form.read_text().replace("\n3,,,\n", "\n3,both,both,right\n"))
    assert [answer.pair for answer in read_answers(study, form)] == [3]


def test_every_bad_line_is_named_and_nothing_is_read(study, tmp_path):
    rows = (
        "1,left,both,equal\n"
        "2,left,both,both\n"
        "13,left,both,equal\n"
        "x,left,both,equal\n"
        "1,right,both,equal\n"
        "4,left,,equal\n"
        "5,left,both\n"
    )
    with pytest.raises(AnswerError) as refused:
        read_answers(study, _file(tmp_path, HEADER + rows))
    lines = str(refused.value).splitlines()[1:]
    assert [line.split(":")[0] for line in lines] == [f"line {n}" for n in (3, 4, 5, 6, 7, 8)]
    assert "better is 'both'" in lines[0]
    assert "there is no pair 13; the last one is 12" in lines[1]
    assert "pair is 'x'" in lines[2]
    assert "pair 1 was answered on a line before" in lines[3]
    assert "kept is ''" in lines[4]
    assert "3 values instead of 4" in lines[5]


def test_another_header_is_refused(study, tmp_path):
    with pytest.raises(AnswerError, match="the first line must be pair,asked,kept,better"):
        read_answers(study, _file(tmp_path, "pair,kept,asked,better\n1,left,both,equal\n"))


def test_a_missing_file_is_named(study, tmp_path):
    with pytest.raises(AnswerError, match=r"none\.csv cannot be read"):
        read_answers(study, tmp_path / "none.csv")
