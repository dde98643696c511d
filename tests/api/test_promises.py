"""The contract in docs/promises.md: its tests exist, and nothing that callers use is missing."""

import pytest

from api.app import create_app
from api.problems.types import BY_CODE
from core.problems import EDIT_PROBLEMS
from core.schema import Edit, Metrics, ParamsInput
from core.settings import Settings
from tests.support.doc_tables import promises

SECTION = "## The HTTP contract"


@pytest.mark.parametrize(
    ("section", "count"), [(SECTION, 108), ("## The command line and the client", 9)]
)
def test_every_promise_is_held_by_tests_that_exist(section: str, count: int) -> None:
    found = promises(section)
    assert len(found) >= count
    assert [name for promise in found for name in promise.missing_tests] == []


@pytest.fixture
def operations(settings: Settings) -> list[str]:
    document = create_app(settings).openapi()
    return [
        f"{method.upper()} {path}"
        for path, methods in document["paths"].items()
        for method in methods
    ]


def test_no_operation_field_parameter_or_code_is_missing(operations: list[str]) -> None:
    texts = "\n".join(promise.text for promise in promises(SECTION))
    named = [*operations, *Edit.model_fields, *Metrics.model_fields, *ParamsInput.model_fields]
    named += [*BY_CODE, *EDIT_PROBLEMS]
    assert [name for name in named if f"`{name}`" not in texts] == []
