"""When an edit is *right*: what was requested is there, the rest is kept, and no fault shows.

The limits were set on blind ratings of 210 pairs (docs/benchmarks/study.csv) and are frozen: they
do not move while methods are tuned. docs/decisions/0017 has how well *right* agrees with them.
"""

from dataclasses import dataclass

from bench.edits.appearance import Appearance
from bench.edits.metrics import Quality


@dataclass(frozen=True)
class Criteria:
    """The limits that a right edit keeps."""

    min_drawn: float = 0.55
    max_ghost: float = 0.1
    max_lost: float = 0.3
    max_background_loss: float = 6.0  # dB
    max_seam: float = 2.5  # grey levels

    def right(self, quality: Quality, appearance: Appearance) -> bool:
        """Return whether an edit is right; figures that are None do not count against it."""
        limits = (
            (appearance.ghost, self.max_ghost),
            (appearance.lost, self.max_lost),
            (appearance.background, self.max_background_loss),
            (appearance.seam, self.max_seam),
        )
        return (
            quality.changed
            and quality.kept
            and appearance.drawn >= self.min_drawn
            and all(figure is None or figure <= limit for figure, limit in limits)
        )


CRITERIA = Criteria()
