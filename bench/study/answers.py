"""Answers of raters: one file of JSON lines per rater, whose last line for a pair holds.

Lines are only ever appended, each synced to the disk before it counts as stored. What a crash cut
short was never confirmed to the rater; the next append removes it.
"""

import os
import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bench.study.errors import AnswerError, FolderError

Which = Literal["left", "right", "both", "neither"]
Better = Literal["left", "right", "equal"]

_RATER = re.compile(r"\w[\w -]{0,39}")


class Answer(BaseModel):
    """One rater's answers to the three questions about one pair."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pair: int = Field(ge=1)
    asked: Which  # which did what was asked?
    kept: Which  # which kept the rest?
    better: Better  # which looks better?


QUESTIONS = ("asked", "kept", "better")


def describe(error: ValidationError) -> str:
    """Say in one line what is wrong with the fields of an answer."""
    return "; ".join(
        f"{one['loc'][-1]} is {one['input']!r}: {one['msg'].lower()}" for one in error.errors()
    )


def check_rater(name: str) -> str:
    """Return a rater's name, normalised; it names a file.

    Raises:
        AnswerError: it is not a name of 1 to 40 letters, digits, spaces, - and _.
    """
    name = unicodedata.normalize("NFC", name).strip()
    if not _RATER.fullmatch(name):
        raise AnswerError(
            "A rater's name has 1 to 40 letters, digits, spaces, - and _, and begins with a letter "
            f"or digit; {name!r} does not."
        )
    return name


def append(folder: Path, rater: str, answers: Iterable[Answer]) -> None:
    """Append answers to the rater's file and wait until they are on the disk."""
    lines = "".join(answer.model_dump_json() + "\n" for answer in answers).encode()
    path = _path(folder, rater)
    is_new = not path.exists()
    folder.mkdir(exist_ok=True)
    with path.open("ab") as file:
        _remove_torn_line(path, file.fileno())
        file.write(lines)
        file.flush()
        os.fsync(file.fileno())
    if is_new:
        _sync_folder(folder)


def read(folder: Path, rater: str) -> dict[int, Answer]:
    """Return the rater's last answer for each pair.

    Raises:
        FolderError: a line of the file is damaged.
    """
    path = _path(folder, rater)
    if not path.is_file():
        return {}
    complete = path.read_bytes().rpartition(b"\n")[0].splitlines()
    answers = {}
    for number, line in enumerate(complete, 1):
        try:
            answer = Answer.model_validate_json(line)
        except ValidationError as error:
            raise FolderError(
                f"{path}, line {number}, is not an answer: {describe(error)}"
            ) from error
        answers[answer.pair] = answer
    return answers


def read_all(folder: Path) -> dict[str, dict[int, Answer]]:
    """Return the answers of all raters, by rater and pair."""
    raters = sorted(path.stem for path in folder.glob("*.jsonl")) if folder.is_dir() else []
    return {rater: read(folder, rater) for rater in raters}


def _path(folder: Path, rater: str) -> Path:
    return folder / f"{check_rater(rater)}.jsonl"


def _remove_torn_line(path: Path, descriptor: int) -> None:
    content = path.read_bytes()
    if content and not content.endswith(b"\n"):
        os.ftruncate(descriptor, content.rfind(b"\n") + 1)


def _sync_folder(folder: Path) -> None:
    """Make a new file's name itself durable, which fsync of the file does not."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
