"""Tables of the docs, including the promises, whose last column names the tests that hold them."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

TESTS = Path(__file__).parents[1]
DOCS = TESTS.parent / "docs"
PROMISES = "promises.md"

_TEST = r"`([\w/]+\.py)::(test_\w+)`"
_TEST_CELL = re.compile(rf"{_TEST}(?:, {_TEST})*")


class Promise(NamedTuple):
    """A row of docs/promises.md: its text, and its tests by file (below tests/) and name."""

    text: str
    tests: tuple[tuple[str, str], ...]

    @property
    def missing_tests(self) -> list[str]:
        """Return those of its tests that do not exist."""
        return [f"{file}::{name}" for file, name in self.tests if name not in _functions_of(file)]


def promises(heading: str) -> list[Promise]:
    """Return the promises below a heading of docs/promises.md."""
    return [_promise(cells) for cells in rows(PROMISES, heading)]


def rows(page: str, heading: str) -> Iterator[tuple[str, ...]]:
    """Yield the cells of each table row under a heading, up to the next one of the same level."""
    _, found, rest = (DOCS / page).read_text().partition(f"\n{heading}\n")
    assert found, f"{page} has no {heading!r}"
    level = heading.partition(" ")[0]
    lines = rest.partition(f"\n{level} ")[0].splitlines()
    for line, below in zip(lines, [*lines[1:], ""], strict=True):
        is_head = below.startswith("|---")
        if line.startswith("|") and not line.startswith("|---") and not is_head:
            yield tuple(line.strip("| ").split(" | "))


def _promise(cells: tuple[str, ...]) -> Promise:
    assert len(cells) == 2, cells
    text, tests = cells
    assert text, cells
    assert _TEST_CELL.fullmatch(tests), cells
    return Promise(text, tuple(re.findall(_TEST, tests)))


@cache
def _functions_of(file: str) -> set[str]:
    """Return the names of a test file's functions; empty if the file does not exist."""
    path = TESTS / file
    tree = ast.parse(path.read_text() if path.is_file() else "")
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for node in tree.body if isinstance(node, kinds)}
