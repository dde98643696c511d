"""Medians and ratios of repeated measurements."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Self


@dataclass(frozen=True)
class MedianRange:
    """The median of some repeats, with the lowest and the highest."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        """Summarise one or more values."""
        return cls(median(values), min(values), max(values))

    @classmethod
    def ratio(cls, values: Sequence[float], to: Sequence[float]) -> Self:
        """Summarise the ratios of each round, in which slow phases of the machine cancel out."""
        return cls.of([value / other for value, other in zip(values, to, strict=True)])

    def __str__(self) -> str:
        return f"{self.median:.3g} ({self.low:.3g} … {self.high:.3g})"
