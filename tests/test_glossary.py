"""Every word of docs/glossary.md is explained once and leads to the code."""

import re

import pytest

from tests.support.doc_tables import TESTS, rows

SECTIONS = ("## The service", "## The method", "## The device", "## The measurements")
WORDS = [cells for section in SECTIONS for cells in rows("glossary.md", section)]

_PLACE = re.compile(r"`([\w/]+\.\w+)`: ((?:`\w+`(?:, )?)+)")


def test_the_glossary_is_one_page_of_distinct_words() -> None:
    names = [word for word, _, _ in WORDS]
    assert len(names) == len(set(names))
    assert 40 <= len(names) <= 60


@pytest.mark.parametrize(("word", "meaning", "places"), WORDS, ids=[cells[0] for cells in WORDS])
def test_a_word_is_explained_and_occurs_where_the_glossary_says(
    word: str, meaning: str, places: str
) -> None:
    assert meaning.endswith(".")
    found = _PLACE.findall(places)
    assert found, places
    for path, names in found:
        code = (TESTS.parent / path).read_text("utf-8")
        for name in re.findall(r"\w+", names):
            assert re.search(rf"\b{name}\b", code), (word, path, name)
