"""What cameras, phones and editors were reported to write is shown as its makers meant it."""

import pytest

from core.errors import InputImageError
from core.images.inspection import inspect, load_upright
from tests.support.reported.row import Reported
from tests.support.reported.table import REPORTED

TOLERANCE = 4  # levels of 255: the encoders' losses


@pytest.mark.parametrize("one", REPORTED, ids=lambda one: f"{one.kind}: {one.name}")
def test_a_reported_file(one: Reported) -> None:
    data = one.make()
    if one.refused:
        for read in (inspect,) if one.refused == "truncated" else (inspect, load_upright):
            with pytest.raises(InputImageError, match=one.refused):
                read(data)
        return
    image, shown = inspect(data), load_upright(data)
    assert (image.width, image.height) == shown.size == one.size
    assert one.shown is not None
    width, height = shown.size
    for index, wanted in enumerate(one.shown):
        place = (1 + 2 * (index % 2)) * width // 4, (1 + 2 * (index // 2)) * height // 4
        found = shown.getpixel(place)
        assert all(abs(a - b) <= TOLERANCE for a, b in zip(found, wanted, strict=True)), (
            f"{place}: {found}, not {wanted}"
        )


def test_every_report_has_its_own_name() -> None:
    names = [(one.kind, one.name) for one in REPORTED]
    assert len(set(names)) == len(names)
