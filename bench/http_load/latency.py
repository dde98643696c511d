"""Summaries of latencies."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self


def quantile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least this share of all do not exceed (nearest rank)."""
    rank = math.ceil(share * len(values))
    return sorted(values)[max(rank, 1) - 1]


@dataclass(frozen=True)
class LatencySummary:
    """A summary of one or more latencies, in milliseconds."""

    count: int
    p50: float
    p99: float
    max: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Self:
        """Summarise one or more latencies in seconds."""
        ms = [1000 * value for value in seconds]
        return cls(len(ms), quantile(ms, 0.5), quantile(ms, 0.99), max(ms))
