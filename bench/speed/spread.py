"""What repeats come to, and how it is written."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Self


@dataclass(frozen=True)
class Spread:
    """The median of the repeats with the lowest and the highest."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        """Of one or more values."""
        return cls(median(values), min(values), max(values))

    @classmethod
    def ratio(cls, values: Sequence[float], to: Sequence[float]) -> Self:
        """Of the ratios round by round, in which slow minutes of the machine cancel out."""
        return cls.of([value / other for value, other in zip(values, to, strict=True)])

    def __str__(self) -> str:
        return f"{self.median:.3g} ({self.low:.3g} … {self.high:.3g})"


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)
