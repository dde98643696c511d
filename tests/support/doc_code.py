"""The code blocks of a page."""

import re
from textwrap import dedent
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


class AnyBlock(NamedTuple):
    """A block of a page outside or inside docs/; its language is empty if it states none."""

    page: str  # relative to the repository
    heading: str
    language: str
    code: str

    @property
    def first_line(self) -> str:
        """Return the line that tells a block from the others of its page."""
        return self.code.strip().partition("\n")[0].strip()


# A heading, a fenced block, or indented commands; lines of a list are indented as well.
_ANY_BLOCK = re.compile(
    r"^(?:#+ (?P<heading>[^\n]+)|```(?P<language>\w*)\n(?P<code>.*?)^```)$"
    r"|(?<=\n\n)(?P<indented>(?: {4}(?![-*\d])\S[^\n]*\n)+)",
    re.M | re.S,
)


def every_block(page: str) -> list[AnyBlock]:
    """Return all blocks of a page, named from the repository's root, in their order."""
    found, heading = [], ""
    for match in _ANY_BLOCK.finditer((DOCS.parent / page).read_text("utf-8")):
        if match["heading"]:
            heading = match["heading"]
        elif match["indented"]:
            found.append(AnyBlock(page, heading, "indented", dedent(match["indented"])))
        else:
            found.append(AnyBlock(page, heading, match["language"], match["code"]))
    return found
