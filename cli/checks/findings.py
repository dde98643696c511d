"""What a check found."""

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "note", "wrong"]


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    name: str
    state: State
    detail: str
    todo: str = ""  # what to do about it


def gib(size: float) -> str:
    """Return bytes in words."""
    return f"{size / 2**30:.1f} GiB"
