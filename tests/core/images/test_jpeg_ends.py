"""A JPEG is taken if no pixel is missing, and refused otherwise, whatever follows its last scan."""

import io
from itertools import product

import pytest
from PIL import Image

from core.errors import InvalidImage
from core.images.inspection import inspect

END = b"\xff\xd9"
ENDS = {
    "its end": END,
    "no end": b"",
    "half an end": END[:1],
    "more bytes before its end": bytes(30) + END,
    "text behind its end": END + b"abc",
    "zeros": bytes(600),
    "an image": b"\xff\xd8\xff\xe0" + bytes(50),
}
KINDS = list(product(("L", "RGB", "CMYK"), (False, True), (False, True), (None, 3)))


def scans(mode: str, progressive: bool, optimize: bool, restart: int | None) -> bytes:
    """Return a JPEG without its end."""
    noise = Image.merge(mode, [Image.effect_noise((90, 60), 60) for _ in mode])
    save = {} if restart is None else {"restart_marker_blocks": restart}
    file = io.BytesIO()
    noise.save(file, "JPEG", quality=85, progressive=progressive, optimize=optimize, **save)
    return file.getvalue().removesuffix(END)


@pytest.mark.parametrize(("mode", "progressive", "optimize", "restart"), KINDS)
def test_no_pixel_is_missing(
    mode: str, progressive: bool, optimize: bool, restart: int | None
) -> None:
    data = scans(mode, progressive, optimize, restart)
    for name, end in ENDS.items():
        assert inspect(data + end).width == 90, name


@pytest.mark.parametrize(("mode", "progressive", "optimize", "restart"), KINDS)
def test_pixels_are_missing(
    mode: str, progressive: bool, optimize: bool, restart: int | None
) -> None:
    data = scans(mode, progressive, optimize, restart)
    start = data.rindex(b"\xff\xda") + 14
    for share in (0.2, 0.5, 0.8):
        cut = data[: start + round(share * (len(data) - start))]
        for name, end in ENDS.items():
            with pytest.raises(InvalidImage):
                inspect(cut + end)
                pytest.fail(f"{share} of the last scan, then {name}")
