"""How the help of a command is laid out: paragraphs flow, examples keep their lines."""

import inspect
from typing import Any

from typer.core import TyperCommand

_AS_WRITTEN = "\b\n"  # click's mark of a paragraph whose lines are kept


def flow(docstring: str) -> str:
    """Join the lines of each paragraph, so that the terminal's width alone breaks them."""
    paragraphs = inspect.cleandoc(docstring).split("\n\n")
    return "\n\n".join(
        text.removeprefix(_AS_WRITTEN) if text.startswith(_AS_WRITTEN) else " ".join(text.split())
        for text in paragraphs
    )


class FlowingHelp(TyperCommand):
    """A command whose help flows."""

    def __init__(self, *args: Any, **options: Any):
        if options.get("help"):
            options["help"] = flow(options["help"])
        super().__init__(*args, **options)
