"""Every command and code block of the pages is run or checked, or there is a reason why not."""

import re

import pytest

from tests.examples.held import HELD, NOT_RUN, PAGES, reason_not_to_run
from tests.support.commands import ROOT
from tests.support.doc_code import every_block


@pytest.mark.parametrize("page", PAGES)
def test_every_block_is_held_by_a_test_or_cannot_be(page: str) -> None:
    unheld = [
        (block.language, block.first_line)
        for block in every_block(page)
        if reason_not_to_run(block) is None and (page, block.language) not in HELD
    ]
    assert unheld == []


def test_no_reason_outlives_its_block() -> None:
    for page, start in NOT_RUN:
        lines = [block.first_line for block in every_block(page)]
        assert [line for line in lines if line.startswith(start)], (page, start)


def test_every_test_file_that_holds_blocks_names_its_pages() -> None:
    for (page, language), test in HELD.items():
        text = (ROOT / "tests" / test).read_text("utf-8")
        assert any(block.language == language for block in every_block(page)), (page, language)
        assert page.removeprefix("docs/") in text or "blocks_held_by" in text, (page, test)


def test_no_two_pages_share_an_idempotency_key() -> None:
    """Whoever tries one page after another, as the tests do, would be answered 422."""
    keys = [
        key
        for page in PAGES
        for block in every_block(page)
        for key in re.findall(
            r"""idempotency[-_]key["']?[=:]\s*["']([^"']+)["']""", block.code, re.IGNORECASE
        )
    ]
    assert {"order-1234", "poster-7", "letter-12"} <= set(keys)
    assert len(keys) == len(set(keys)), keys
