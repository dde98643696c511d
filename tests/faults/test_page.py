"""docs/reliability.md and its part of docs/promises.md keep up with the tests."""

from tests.support.doc_tables import TESTS, promises, rows

SECTION = "## Reliability"


def test_every_promise_is_held_by_tests_that_exist() -> None:
    found = promises(SECTION)
    assert len(found) >= 18
    assert [name for promise in found for name in promise.missing_tests] == []


def test_every_fault_has_its_outcome_on_the_page() -> None:
    faults = list(rows("reliability.md", "## Promises"))
    assert all(len(cells) == 2 and all(cells) for cells in faults)
    assert [fault for fault, _ in faults] == [promise.text for promise in promises(SECTION)]


def test_every_file_of_faults_holds_a_promise() -> None:
    named = {file for promise in promises(SECTION) for file, _ in promise.tests}
    files = {f"faults/{path.name}" for path in (TESTS / "faults").glob("test_*.py")}
    assert files - named == {"faults/test_page.py"}
