"""Ratings made up for a test."""

from bench.study.ratings import Rating


def rating(left, right, better="left", *, pair=1, edit="e", rater="ann", **answers) -> Rating:
    """A rating; what was asked is done and the rest is kept by both, if not said otherwise."""
    return Rating(
        pair=pair,
        rater=rater,
        edit=edit,
        kind="posture",
        prompt=f"the sentence of {edit}",
        left=left,
        right=right,
        **{"asked": "both", "kept": "both", "better": better, **answers},
    )
