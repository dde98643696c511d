"""People's ratings of pairs of edited images, from a CSV file."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

SIDES = ("left", "right")
COLUMNS = ("edit", "left", "right", "asked", "kept", "better")  # those that are used
ANSWERS = {
    "asked": {*SIDES, "both", "neither"},
    "kept": {*SIDES, "both", "neither"},
    "better": {*SIDES, "equal"},
}

Image = tuple[int, str]  # index of the edit, name of the method


class RatingsError(Exception):
    """The file is not a table of ratings."""


@dataclass(frozen=True)
class Rating:
    """One person's answers about one pair."""

    images: tuple[Image, Image]  # left and right
    good: tuple[bool, bool]  # did what was asked and kept the rest, left and right
    better: int | None  # 0 left, 1 right, None equal


def read_ratings(path: Path) -> list[Rating]:
    """Read ratings.

    Raises:
        RatingsError: a column is missing, or a line has another value than it may.
    """
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        if missing := set(COLUMNS) - set(reader.fieldnames or ()):
            raise RatingsError(f"{path} lacks the columns {', '.join(sorted(missing))}.")
        return [_rating(row, f"{path}, line {reader.line_num}") for row in reader]


def _rating(row: Mapping[str, str], where: str) -> Rating:
    for question, allowed in ANSWERS.items():
        if row[question] not in allowed:
            raise RatingsError(
                f"{where}: {question} is {row[question]!r}, not one of {', '.join(sorted(allowed))}"
            )
    if not row["edit"].isdecimal():
        raise RatingsError(f"{where}: edit is {row['edit']!r}, not the index of an edit.")
    edit = int(row["edit"])
    left, right = (
        all(row[question] in (side, "both") for question in ("asked", "kept")) for side in SIDES
    )
    better = SIDES.index(row["better"]) if row["better"] in SIDES else None
    return Rating(((edit, row["left"]), (edit, row["right"])), (left, right), better)


def judgements(ratings: Sequence[Rating]) -> list[tuple[Image, bool]]:
    """Return every judgement of a single image: the image, and whether it is good."""
    return [
        judgement
        for rating in ratings
        for judgement in zip(rating.images, rating.good, strict=True)
    ]
