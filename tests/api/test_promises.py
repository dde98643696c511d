"""The table of promises in docs/api.md: its tests exist, and nothing of the contract is missing."""

import pytest

from api.app import create_app
from api.problems.types import BY_CODE
from core.problems import EDIT_PROBLEMS
from core.schema import Edit, Metrics, ParamsInput
from core.settings import Settings
from tests.support.doc_tables import rows

TABLE = ("api.md", "## Promises and their tests")


def test_every_promise_is_held_by_tests_that_exist() -> None:
    assert [name for row in rows(*TABLE) for name in row.missing] == []


@pytest.fixture
def operations(settings: Settings) -> list[str]:
    document = create_app(settings).openapi()
    return [
        f"{method.upper()} {path}"
        for path, methods in document["paths"].items()
        for method in methods
    ]


def test_no_operation_field_parameter_or_code_is_missing(operations: list[str]) -> None:
    promises = "\n".join(row.said[0] for row in rows(*TABLE))
    named = [*operations, *Edit.model_fields, *Metrics.model_fields, *ParamsInput.model_fields]
    named += [*BY_CODE, *EDIT_PROBLEMS]
    assert [name for name in named if f"`{name}`" not in promises] == []
