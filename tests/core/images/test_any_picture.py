"""What the method is given equals a reference rendering, for pictures drawn at random."""

import numpy as np
from hypothesis import HealthCheck, given, settings

from core.images.inspection import inspect, load_upright
from tests.support.any_picture import Picture, bounds, pictures
from tests.support.patches import SIDE, TURNED


@settings(
    max_examples=200,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(picture=pictures())
def test_any_picture_is_shown_as_the_reference_says(picture: Picture) -> None:
    low, high = bounds(picture)
    if picture.crop is not None:
        left, top, right, bottom = (edge // SIDE for edge in picture.crop)
        low, high = low[top:bottom, left:right], high[top:bottom, left:right]
    turn = TURNED[picture.orientation]
    low, high = turn(low), turn(high)
    shown = np.asarray(load_upright(picture.data))
    described = inspect(picture.data)
    assert (described.height, described.width) == shown.shape[:2]
    assert shown.shape == (low.shape[0] * SIDE, low.shape[1] * SIDE, 3), picture.about
    patches = shown[SIDE // 2 :: SIDE, SIDE // 2 :: SIDE].astype(int)
    outside = np.maximum(low - patches, patches - high).max()
    assert outside <= 0, (picture.about, picture.colors.name, picture.orientation, outside)
