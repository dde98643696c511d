"""docs/security.md keeps up with the tests."""

from collections import Counter

from tests.support.doc_tables import TESTS, rows

TABLE = ("security.md", "## Threats")


def test_every_threat_is_held_by_tests_that_exist() -> None:
    found = list(rows(*TABLE))
    assert len(found) >= 15
    assert [name for row in found for name in row.missing] == []
    assert all(len(row.said) == 2 and all(row.said) for row in found)
    assert max(Counter(row.said[0] for row in found).values()) == 1


def test_every_file_of_security_holds_a_threat() -> None:
    named = {file for row in rows(*TABLE) for file, _ in row.tests}
    files = {f"security/{path.name}" for path in (TESTS / "security").glob("test_*.py")}
    assert files - named == {"security/test_security_page.py"}


def test_both_pages_are_found_from_the_readme_and_from_contributing() -> None:
    for page in ("README.md", "CONTRIBUTING.md"):
        text = (TESTS.parent / page).read_text()
        assert "(docs/security.md)" in text and "(SECURITY.md)" in text
