"""docs/reliability.md keeps up with the tests."""

from tests.support.doc_tables import TESTS, rows

TABLE = ("reliability.md", "## Promises")


def test_every_promise_is_held_by_tests_that_exist() -> None:
    found = list(rows(*TABLE))
    assert len(found) >= 15
    assert [name for row in found for name in row.missing] == []


def test_every_file_of_faults_holds_a_promise() -> None:
    named = {file for row in rows(*TABLE) for file, _ in row.tests}
    files = {f"faults/{path.name}" for path in (TESTS / "faults").glob("test_*.py")}
    assert files - named == {"faults/test_page.py"}
