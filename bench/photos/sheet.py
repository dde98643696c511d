"""A contact sheet: some tasks by rule, the photo and what each method made of it."""

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from bench.photos.datasets import Task, spread

TASKS = 12  # shown, evenly spaced over those edited: none is chosen
TILE = 192  # pixels
MARGIN = 12
LINE = 18


def draw(
    tasks: Sequence[Task], methods: Sequence[str], pictures: Sequence[Sequence[Path]]
) -> Image.Image:
    """A task a line.

    Args:
        tasks: all that were edited.
        methods: names, in the order of the columns.
        pictures: for each task, the edited picture of each method.
    """
    of_task = dict(zip((task.key for task in tasks), pictures, strict=True))
    shown = spread(tasks, TASKS)
    width = MARGIN + (1 + len(methods)) * (TILE + MARGIN)
    height = TILE + LINE + MARGIN
    sheet = Image.new("RGB", (width, LINE + MARGIN + len(shown) * height), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(13)
    for column, head in enumerate(("photo", *methods)):
        pen.text((MARGIN + column * (TILE + MARGIN), 4), head, "gray", font)
    for i, task in enumerate(shown):
        y = LINE + MARGIN + i * height
        row = [task.photo(), *(Image.open(path) for path in of_task[task.key])]
        for column, picture in enumerate(row):
            tile = picture.convert("RGB").resize((TILE, TILE), Image.Resampling.LANCZOS)
            sheet.paste(tile, (MARGIN + column * (TILE + MARGIN), y))
        pen.text((MARGIN, y + TILE + 1), _cut(task.prompt, font, width - 2 * MARGIN), "black", font)
    return sheet


def _cut(text: str, font: ImageFont.ImageFont | ImageFont.FreeTypeFont, width: int) -> str:
    """The text, as much of it as fits."""
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text + "…"
