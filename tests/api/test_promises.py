"""The table of promises in docs/api.md: its tests exist, and nothing of the contract is missing."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from api.app import create_app
from api.kinds import BY_CODE
from jobs.problems import EDIT_PROBLEMS
from jobs.schema import Edit, Metrics, ParamsAsked
from jobs.settings import Settings

TESTS = Path(__file__).parents[1]
PAGE = TESTS.parent / "docs" / "api.md"
ROW = re.compile(r"\| (?P<promise>.+) \| (?P<tests>(?:`[\w/]+\.py::test_\w+`(?:, )?)+) \|")


def rows() -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Each promise with the file and name of its tests."""
    _, heading, table = PAGE.read_text().partition("\n## Promises and their tests\n")
    assert heading
    for line in table.splitlines():
        if not line.startswith("|") or line in ("| promise | held by |", "|---|---|"):
            continue
        row = ROW.fullmatch(line)
        assert row is not None, line
        yield row["promise"], re.findall(r"`([\w/]+\.py)::(test_\w+)`", row["tests"])


@cache
def names(file: str) -> set[str]:
    """The functions of a file of tests; none where it is not there."""
    path = TESTS / file
    tree = ast.parse(path.read_text() if path.is_file() else "")
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for node in tree.body if isinstance(node, kinds)}


def test_every_promise_is_held_by_tests_that_exist() -> None:
    missing = [
        f"{file}::{name}" for _, tests in rows() for file, name in tests if name not in names(file)
    ]
    assert missing == []


@pytest.fixture
def operations(settings: Settings) -> list[str]:
    document = create_app(settings).openapi()
    return [
        f"{method.upper()} {path}"
        for path, methods in document["paths"].items()
        for method in methods
    ]


def test_no_operation_field_parameter_or_code_is_missing(operations: list[str]) -> None:
    promises = "\n".join(promise for promise, _ in rows())
    named = [*operations, *Edit.model_fields, *Metrics.model_fields, *ParamsAsked.model_fields]
    named += [*BY_CODE, *EDIT_PROBLEMS]
    assert [name for name in named if f"`{name}`" not in promises] == []
