"""The pairs on paper: PNG sheets in the order of the page, and an empty file for the answers.

Each pair has its number and sentence above three images: photo, left, right. No method is named.
"""

import csv
import textwrap
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from bench.study.answers import QUESTIONS
from bench.study.folder import ShownPair, Study

GAP, LINE, FONT = 12, 20, 15  # pixels
TILE = 200  # pixels; small images are enlarged by a whole factor to about this width
MAX_WIDTH = 1500  # pixels; two pairs stand side by side if they fit
FORM = "answers.csv"


def write_sheets(study: Study, folder: Path, *, per: int, scale: int | None = None) -> list[Path]:
    """Write `sheet-001.png`, … and `answers.csv` to be filled in.

    Args:
        study: whose pairs.
        folder: where to write.
        per: pairs on a sheet.
        scale: enlargement; None chooses it by the width of each photo.

    Returns:
        The sheets' paths.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for start in range(0, len(study.pairs), per):
        path = folder / f"sheet-{start // per + 1:03}.png"
        blocks = [_block(study, pair, scale) for pair in study.pairs[start : start + per]]
        _arrange(blocks).save(path)
        paths.append(path)
    with (folder / FORM).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["pair", *QUESTIONS])
        writer.writerows([pair.pair, *[""] * len(QUESTIONS)] for pair in study.pairs)
    return paths


def _block(study: Study, pair: ShownPair, scale: int | None) -> Image.Image:
    """Draw one pair."""
    with Image.open(study.image(pair.photo)) as photo:
        factor = scale or max(1, round(TILE / photo.width))
        size = (photo.width * factor, photo.height * factor)
    width = 3 * size[0] + 2 * GAP
    font = ImageFont.load_default(FONT)
    lines = textwrap.wrap(f"{pair.pair}.  {pair.prompt}", max(20, int(width / FONT * 1.9)))
    top = LINE * (len(lines) + 1)
    block = Image.new("RGB", (width, top + size[1]), "white")
    pen = ImageDraw.Draw(block)
    for number, line in enumerate(lines):
        pen.text((0, number * LINE), line, fill="black", font=font)
    for column, (title, name) in enumerate(
        (("photo", pair.photo), ("left", pair.left), ("right", pair.right))
    ):
        x = column * (size[0] + GAP)
        pen.text((x, top - LINE), title, fill="#475569", font=font)
        with Image.open(study.image(name)) as image:
            block.paste(image.resize(size, Image.Resampling.BICUBIC), (x, top))
    return block


def _arrange(blocks: Sequence[Image.Image]) -> Image.Image:
    """Place the blocks on a sheet, row by row."""
    width = max(block.width for block in blocks)
    height = max(block.height for block in blocks)
    columns = 2 if 2 * width + 4 * GAP <= MAX_WIDTH else 1
    rows = -(-len(blocks) // columns)
    step_x, step_y = width + 2 * GAP, height + 2 * GAP
    sheet = Image.new("RGB", (columns * step_x, rows * step_y), "white")
    for number, block in enumerate(blocks):
        x, y = number % columns * step_x + GAP, number // columns * step_y + GAP
        sheet.paste(block, (x, y))
    return sheet
