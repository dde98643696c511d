"""A contact sheet: the photo and the edit of each method, for tasks chosen by rule."""

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from bench.photos.datasets import Task, spread

TASKS = 12  # drawn, evenly spaced over those edited: none is picked by hand
TILE = 192  # pixels
MARGIN = 12
LINE = 18


def draw(
    tasks: Sequence[Task], methods: Sequence[str], paths: Sequence[Sequence[Path]]
) -> Image.Image:
    """Draw the sheet, a task per line.

    Args:
        tasks: all that were edited.
        methods: names, in the order of the columns.
        paths: for each task, the edited image of each method.
    """
    paths_of = dict(zip((task.key for task in tasks), paths, strict=True))
    drawn = spread(tasks, TASKS)
    width = MARGIN + (1 + len(methods)) * (TILE + MARGIN)
    height = TILE + LINE + MARGIN
    sheet = Image.new("RGB", (width, LINE + MARGIN + len(drawn) * height), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(13)
    for column, head in enumerate(("photo", *methods)):
        pen.text((MARGIN + column * (TILE + MARGIN), 4), head, "gray", font)
    for i, task in enumerate(drawn):
        y = LINE + MARGIN + i * height
        row = [task.photo(), *(Image.open(path) for path in paths_of[task.key])]
        for column, image in enumerate(row):
            tile = image.convert("RGB").resize((TILE, TILE), Image.Resampling.LANCZOS)
            sheet.paste(tile, (MARGIN + column * (TILE + MARGIN), y))
        pen.text((MARGIN, y + TILE + 1), _cut(task.prompt, font, width - 2 * MARGIN), "black", font)
    return sheet


def _cut(text: str, font: ImageFont.ImageFont | ImageFont.FreeTypeFont, width: int) -> str:
    """Return as much of the text as fits."""
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text + "…"
