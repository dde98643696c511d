"""Pictures in a grid, with a title above each column and a line above each row."""

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

TILE, GAP, LINE = 168, 6, 18  # pixels
INK = "#334155"


def grid(
    titles: Sequence[str], rows: Sequence[tuple[str, Sequence[Image.Image]]], *, tile: int = TILE
) -> Image.Image:
    """Lay out rows of pictures.

    Args:
        titles: of the columns.
        rows: of each the line above it, "" for none, and a picture for each column.
        tile: pixels on a picture's side.
    """
    heights = [tile + GAP + (LINE if label else 0) for label, _ in rows]
    size = (len(titles) * (tile + GAP) - GAP, LINE + sum(heights) - GAP)
    sheet = Image.new("RGB", size, "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(12)
    for column, title in enumerate(titles):
        pen.text((column * (tile + GAP), 1), title, fill=INK, font=font)
    y = LINE
    for (label, pictures), height in zip(rows, heights, strict=True):
        if label:
            pen.text((0, y + 1), label, fill=INK, font=font)
        top = y + (LINE if label else 0)
        for column, picture in enumerate(pictures):
            shown = picture.convert("RGB").resize((tile, tile), Image.Resampling.LANCZOS)
            sheet.paste(shown, (column * (tile + GAP), top))
        y += height
    return sheet
