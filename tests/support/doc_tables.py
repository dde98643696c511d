"""Tables in the docs whose last column names the tests that hold a row."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

TESTS = Path(__file__).parents[1]
DOCS = TESTS.parent / "docs"

_TEST = r"`(?:tests/)?([\w/]+\.py)::(test_\w+)`"
_CELL = re.compile(rf"{_TEST}(?:, {_TEST})*")


class Row(NamedTuple):
    """A row: what its first cells say, and its tests by file (below tests/) and name."""

    said: tuple[str, ...]
    tests: tuple[tuple[str, str], ...]

    @property
    def missing(self) -> list[str]:
        """Those of its tests that do not exist."""
        return [f"{file}::{name}" for file, name in self.tests if name not in _names(file)]


def rows(page: str, heading: str) -> Iterator[Row]:
    """The rows of every table below a heading of a page, up to the next of its level."""
    _, found, rest = (DOCS / page).read_text().partition(f"\n{heading}\n")
    assert found, f"{page} has no {heading!r}"
    level = heading.partition(" ")[0]
    for line in rest.partition(f"\n{level} ")[0].splitlines():
        if line.startswith("|") and not line.startswith("|---") and "| held by |" not in line:
            *said, tests = line.strip("| ").split(" | ")
            assert _CELL.fullmatch(tests), line
            yield Row(tuple(said), tuple(re.findall(_TEST, tests)))


@cache
def _names(file: str) -> set[str]:
    """The functions of a file of tests; none where it is not there."""
    path = TESTS / file
    tree = ast.parse(path.read_text() if path.is_file() else "")
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for node in tree.body if isinstance(node, kinds)}
