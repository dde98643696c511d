import csv

import numpy as np
import pytest
from PIL import Image

from bench.study.sheets import FORM, write_sheets


def test_the_pairs_follow_in_the_order_of_the_page(study, tmp_path):
    sheets = write_sheets(study, tmp_path / "sheets", per=5)
    assert [path.name for path in sheets] == ["sheet-001.png", "sheet-002.png", "sheet-003.png"]
    seen = [_colours(path) for path in sheets]
    for sheet, start in zip(seen, (0, 5, 10), strict=True):
        shown = study.pairs[start : start + 5]
        names = [name for pair in shown for name in (pair.photo, pair.left, pair.right)]
        assert sheet == {Image.open(study.image(name)).getpixel((0, 0)) for name in names}


def _colours(path):
    """The colours of the images: areas above 1000 pixels, not white."""
    with Image.open(path) as sheet:
        counted = sheet.convert("RGB").getcolors(1 << 24)
    return {colour for count, colour in counted if count > 1000 and colour != (255, 255, 255)}


def test_photo_left_and_right_stand_side_by_side(study, tmp_path):
    (path,) = write_sheets(study, tmp_path, per=12, scale=1)
    with Image.open(path) as sheet:
        pair = study.pairs[0]
        row = [sheet.getpixel((12 + 32 + column * (64 + 12), 12 + 40 + 24)) for column in range(3)]
    expected = [
        Image.open(study.image(name)).getpixel((0, 0))
        for name in (pair.photo, pair.left, pair.right)
    ]
    assert row == expected


@pytest.mark.parametrize(("scale", "width"), [(1, 64), (3, 192), (None, 192)])
def test_images_are_enlarged_by_a_whole_factor(study, tmp_path, scale, width):
    (path,) = write_sheets(study, tmp_path, per=12, scale=scale)
    colour = Image.open(study.image(study.pairs[0].left)).getpixel((0, 0))
    with Image.open(path) as sheet:
        columns = (np.asarray(sheet) == colour).all(-1).any(0)
    assert columns.sum() == width


def test_the_form_lists_every_pair_without_answers(study, tmp_path):
    write_sheets(study, tmp_path, per=6)
    rows = list(csv.DictReader((tmp_path / FORM).open()))
    assert [row["pair"] for row in rows] == [str(pair.pair) for pair in study.pairs]
    assert all(row["asked"] == row["kept"] == row["better"] == "" for row in rows)
