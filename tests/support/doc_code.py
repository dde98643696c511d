"""The code blocks of a page."""

import re
from typing import NamedTuple

from tests.support.doc_tables import DOCS

_BLOCK = re.compile(
    r"^(?:#+ (?P<heading>[^\n]+)|```(?P<language>\w+)\n(?P<code>.*?)^```)$", re.M | re.S
)


class Block(NamedTuple):
    """A block and the heading above it."""

    heading: str
    code: str


def blocks(page: str, language: str) -> list[Block]:
    """Return the blocks of one language, in their order."""
    found, heading = [], ""
    for match in _BLOCK.finditer((DOCS / page).read_text("utf-8")):
        heading = match["heading"] or heading
        if match["language"] == language:
            found.append(Block(heading, match["code"]))
    return found
