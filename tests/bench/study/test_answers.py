import pytest

from bench.study.answers import Answer, append, check_rater, read, read_all
from bench.study.errors import AnswerError, FolderError


def _answer(pair, asked="left"):
    return Answer(pair=pair, asked=asked, kept="both", better="equal")


def test_the_last_answer_for_a_pair_holds(tmp_path):
    folder = tmp_path / "answers"
    append(folder, "ann", [_answer(1), _answer(2)])
    append(folder, "ann", [_answer(1, "neither")])
    assert read(folder, "ann") == {1: _answer(1, "neither"), 2: _answer(2)}
    assert len((folder / "ann.jsonl").read_text().splitlines()) == 3  # nothing is overwritten


def test_each_rater_has_their_own_answers(tmp_path):
    append(tmp_path, "ann", [_answer(1)])
    append(tmp_path, "bob", [_answer(1, "right")])
    assert read_all(tmp_path) == {"ann": {1: _answer(1)}, "bob": {1: _answer(1, "right")}}
    assert read(tmp_path, "eve") == {}


def test_a_line_that_a_crash_cut_short_does_not_count(tmp_path):
    append(tmp_path, "ann", [_answer(1)])
    with (tmp_path / "ann.jsonl").open("a") as file:
        file.write('{"pair": 2, "ask')
    assert read(tmp_path, "ann") == {1: _answer(1)}
    append(tmp_path, "ann", [_answer(3)])
    assert read(tmp_path, "ann") == {1: _answer(1), 3: _answer(3)}


def test_a_damaged_line_is_named(tmp_path):
    (tmp_path / "ann.jsonl").write_text('{"pair": 1}\n')
    with pytest.raises(FolderError, match="line 1"):
        read(tmp_path, "ann")


@pytest.mark.parametrize("name", ["ann", "Ann Lee", "rater-2", "Zoë", "李雷"])
def test_names_of_people_are_names(name):
    assert check_rater(f" {name} ") == name


@pytest.mark.parametrize("name", ["", " ", "../key", "a/b", ".hidden", "a\\b", "x" * 41, "a\nb"])
def test_a_name_that_is_no_file_of_its_own_is_refused(name):
    with pytest.raises(AnswerError, match="rater's name"):
        check_rater(name)
