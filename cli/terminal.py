"""What is printed, and where: results to standard output, what people read to standard error."""

import json
import sys
from collections.abc import Sequence
from typing import Any

from rich.console import Console

# Made when first used, because a test or a pipe may have replaced the streams.


def console() -> Console:
    """Return the console of standard error."""
    return Console(stderr=True, highlight=False, markup=False, emoji=False)


def say(text: str) -> None:
    """Print a line for people, as it is."""
    console().print(text, soft_wrap=True)


def print_result(text: str) -> None:
    """Print a line that a program may read."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def print_json(value: Any) -> None:
    """Print a value as one line of JSON."""
    print_result(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def print_bytes(data: bytes) -> None:
    """Write an image to standard output."""
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def print_table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    """Print columns to standard output, as wide as they need to be."""
    lines = [head, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        print_result("  ".join(cells).rstrip())
