"""Answers from paper: a CSV file with a line per pair."""

import csv
from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from bench.study.answers import QUESTIONS, Answer, describe
from bench.study.errors import AnswerError
from bench.study.folder import Study

HEADER = ["pair", *QUESTIONS]


def read_answers(study: Study, path: Path) -> list[Answer]:
    """Read answers; lines without any answer are skipped.

    Raises:
        AnswerError: the file is missing or has bad lines; the message names each.
    """
    answers: dict[int, Answer] = {}
    problems = []
    for number, row in _rows(path):
        cells = [cell.strip().lower() for cell in row]
        if not any(cells[1:]):
            continue
        try:
            answer = _answer(cells, len(study.pairs))
            if answer.pair in answers:
                raise AnswerError(f"pair {answer.pair} was answered on a line before")
            answers[answer.pair] = answer
        except AnswerError as error:
            problems.append(f"line {number}: {error}")
    if problems:
        raise AnswerError(f"{path}: nothing was entered.\n" + "\n".join(problems))
    return list(answers.values())


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            if [cell.strip().lower() for cell in next(reader, [])] != HEADER:
                raise AnswerError(f"{path}: the first line must be {','.join(HEADER)}")
            for row in reader:
                yield reader.line_num, row
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise AnswerError(f"{path} cannot be read as CSV: {error}") from error


def _answer(cells: list[str], pairs: int) -> Answer:
    if len(cells) != len(HEADER):
        raise AnswerError(f"{len(cells)} values instead of {len(HEADER)}")
    try:
        answer = Answer.model_validate(dict(zip(HEADER, cells, strict=True)))
    except ValidationError as error:
        raise AnswerError(describe(error)) from error
    if answer.pair > pairs:
        raise AnswerError(f"there is no pair {answer.pair}; the last one is {pairs}")
    return answer
