"""Answers with the methods revealed, as CSV that can be analysed without the images."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from pydantic import Field, ValidationError

from bench.study.answers import Answer, describe, read_all
from bench.study.errors import AnswerError, FolderError
from bench.study.folder import Study


class Rating(Answer):
    """One rater's answers about one pair, and what the pair was."""

    rater: str
    edit: str
    kind: str
    prompt: str
    left: str  # method
    right: str
    study: int = Field(0, exclude=True)  # numbers the studies of one report; not in the CSV


COLUMNS = ("pair", "rater", "edit", "kind", "prompt", "left", "right", "asked", "kept", "better")


def reveal(study: Study) -> list[Rating]:
    """Return all answers of a study with the methods, by rater and pair.

    Raises:
        FolderError: the key lacks an image, or an answer is about a pair that the study lacks.
    """
    key = study.key()
    pairs = {pair.pair: pair for pair in study.pairs}
    ratings = []
    for rater, answers in read_all(study.answers).items():
        for number, answer in sorted(answers.items()):
            try:
                pair = pairs[number]
                left, right = key[pair.left], key[pair.right]
            except KeyError as error:
                raise FolderError(
                    f"{study.folder}: {rater} answered about {number}, but study.json or key.json "
                    f"lacks {error}."
                ) from error
            ratings.append(
                Rating(
                    **answer.model_dump(),
                    rater=rater,
                    edit=left.edit,
                    kind=left.kind,
                    prompt=pair.prompt,
                    left=left.method,
                    right=right.method,
                )
            )
    return ratings


def write_csv(file: TextIO, ratings: Sequence[Rating]) -> None:
    """Write ratings as CSV."""
    writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rating.model_dump() for rating in ratings)


def read_csv(path: Path) -> list[Rating]:
    """Read ratings that `write_csv` wrote.

    Raises:
        AnswerError: the file is missing, or a line is not a rating, rates a pair again, or calls
            another pair by the same number.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            if set(reader.fieldnames or ()) != set(COLUMNS):
                raise AnswerError(f"{path}: the first line must be {','.join(COLUMNS)}")
            lines = [(reader.line_num, row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise AnswerError(f"{path} cannot be read as CSV: {error}") from error
    rated: set[tuple[str, int]] = set()
    pairs: dict[int, tuple[str, ...]] = {}
    ratings = []
    for number, row in lines:
        where = f"{path}, line {number}"
        rating = _rating(row, where)
        shown = (rating.edit, rating.prompt, rating.left, rating.right)
        if pairs.setdefault(rating.pair, shown) != shown:
            raise AnswerError(
                f"{where}: pair {rating.pair} was another one on a line before; keep each study in "
                "a file of its own"
            )
        if (rating.rater, rating.pair) in rated:
            raise AnswerError(f"{where}: {rating.rater} rated pair {rating.pair} before")
        rated.add((rating.rater, rating.pair))
        ratings.append(rating)
    return ratings


def _rating(row: dict[str, str], where: str) -> Rating:
    if len(row) != len(COLUMNS) or None in row.values():
        raise AnswerError(f"{where}: there must be {len(COLUMNS)} values")
    try:
        return Rating.model_validate(row)
    except ValidationError as error:
        raise AnswerError(f"{where}: {describe(error)}") from error
