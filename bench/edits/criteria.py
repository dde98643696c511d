"""When an edit is *right*: what was requested is there, the rest is kept, and no fault shows.

The limits are provisional: set by eye on edits of the tuning split, before people rated any.
"""

from dataclasses import dataclass

from bench.edits.appearance import Appearance
from bench.edits.metrics import Quality


@dataclass(frozen=True)
class Criteria:
    """The limits that a right edit keeps."""

    min_drawn: float = 0.6  # .91 of the bad drawings among 72 rated tuning edits are below it
    max_ghost: float = 0.1  # above it, a part of the old animal is plain to see
    max_background_loss: float = 4.5  # dB; above it, a tree, moon or hill is lost or redrawn
    max_seam: float = 1.5  # grey levels; above it, outlines of the old animal cross the background

    min_realism: float = 0.0  # no limit yet

    def right(self, quality: Quality, appearance: Appearance) -> bool:
        """Return whether an edit is right; figures that are None do not count against it."""
        limits = (
            (appearance.ghost, self.max_ghost),
            (appearance.background, self.max_background_loss),
            (appearance.seam, self.max_seam),
        )
        return (
            quality.changed
            and quality.kept
            and appearance.drawn >= self.min_drawn
            and (appearance.realism is None or appearance.realism >= self.min_realism)
            and all(figure is None or figure <= limit for figure, limit in limits)
        )


CRITERIA = Criteria()
