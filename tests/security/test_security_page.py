"""docs/security.md and its part of docs/promises.md match the tests."""

from collections import Counter

from tests.support.doc_tables import TESTS, promises, rows

SECTION = "## Security"


def test_every_threat_is_held_by_tests_that_exist() -> None:
    found = promises(SECTION)
    assert len(found) >= 60
    assert [name for promise in found for name in promise.missing_tests] == []
    assert max(Counter(promise.text for promise in found).values()) == 1


def test_every_threat_has_its_answer_on_the_page() -> None:
    threats = list(rows("security.md", "## Threats"))
    assert all(len(cells) == 2 and all(cells) for cells in threats)
    assert [threat for threat, _ in threats] == [promise.text for promise in promises(SECTION)]


def test_every_file_of_security_holds_a_threat() -> None:
    named = {file for promise in promises(SECTION) for file, _ in promise.tests}
    files = {f"security/{path.name}" for path in (TESTS / "security").glob("test_*.py")}
    assert files - named == {"security/test_security_page.py"}


def test_both_pages_are_found_from_the_readme_and_from_contributing() -> None:
    for page in ("README.md", "CONTRIBUTING.md"):
        text = (TESTS.parent / page).read_text()
        assert "(docs/security.md)" in text and "(SECURITY.md)" in text
