"""Contact sheets: a case per row, a method per column."""

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from baret.images import Pixels
from bench.edits.evaluation import Row
from bench.edits.methods import BARET
from bench.edits.tables import Rows

TILE, GAP, HEAD, LINE = 112, 4, 44, 16  # pixels
MAX_CASES = 12  # per sheet
SEED = 7
SUCCESS_COLOUR = "#16a34a"


def draw(rows: Rows, titles: Mapping[str, str], cases: Sequence[int], path: Path) -> None:
    """Draw cases: source, exact answer, every method; a green frame is an edit that is right."""
    columns = ["source", "exact answer", *(titles[name] for name in rows)]
    width = GAP + len(columns) * (TILE + GAP)
    height = HEAD + len(cases) * (TILE + GAP + LINE)
    sheet = Image.new("RGB", (width, height), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(11)
    for column, title in enumerate(columns):
        x = GAP + column * (TILE + GAP)
        pen.multiline_text((x, 2), textwrap.fill(title, 18), fill="black", font=font)
    first = next(iter(rows.values()))
    for line, case in enumerate(cases):
        y, task = HEAD + line * (TILE + GAP + LINE), first[case].task
        own = [rows_of_method[case] for rows_of_method in rows.values()]
        pen.text((GAP, y), f"{task.index} {task.kind}: {task.prompt}", fill="#475569", font=font)
        for column, image in enumerate([task.source, task.answer, *_images(own)]):
            corner = (GAP + column * (TILE + GAP), y + LINE)
            sheet.paste(_tile(image), corner)
            if column >= 2 and own[column - 2].right:
                box = (*corner, corner[0] + TILE - 1, corner[1] + TILE - 1)
                pen.rectangle(box, outline=SUCCESS_COLOUR, width=2)
    sheet.quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)


def before_and_after(rows: Sequence[Row], cases: Sequence[int], path: Path) -> None:
    """Draw cases of one method, for the README: the source and the edited image."""
    columns = 3
    width, height = GAP + 2 * (TILE + GAP) + GAP, TILE + 2 * LINE + 2 * GAP
    lines = -(-len(cases) // columns)
    sheet = Image.new("RGB", (columns * width, lines * height), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(11)
    for number, case in enumerate(cases):
        x, y = GAP + number % columns * width, GAP + number // columns * height
        row = rows[case]
        sheet.paste(_tile(row.task.source), (x, y))
        sheet.paste(_tile(row.result.image), (x + TILE + GAP, y))
        text = textwrap.fill(row.task.prompt, 40)
        pen.multiline_text((x, y + TILE + 2), text, fill="#475569", font=font, spacing=2)
    sheet.save(path)


def _images(rows: Sequence[Row]) -> list[Pixels]:
    return [row.result.image for row in rows]


def _tile(image: Pixels) -> Image.Image:
    return Image.fromarray(image).resize((TILE, TILE), Image.Resampling.BICUBIC)


def random_cases(rows: Rows) -> list[int]:
    """Return some cases, drawn with a fixed seed."""
    count = len(next(iter(rows.values())))
    drawn = np.random.default_rng(SEED).permutation(count)[:MAX_CASES]
    return sorted(int(case) for case in drawn)


def worst_cases(rows: Rows, name: str = BARET) -> list[int]:
    """Return the cases in which a method is worst, the worst first."""
    own = rows.get(name) or next(iter(rows.values()))
    return sorted(range(len(own)), key=lambda case: _goodness(own[case]))[:MAX_CASES]


def _goodness(row: Row) -> tuple[bool, float]:
    """Return what cases are ordered by: edits that are right last, then the better drawn ones."""
    return row.right, row.appearance.drawn


def cases_of_kind(rows: Rows, kind: str) -> list[int]:
    """Return the first cases of a kind."""
    own = next(iter(rows.values()))
    return [case for case, row in enumerate(own) if row.task.kind == kind][:MAX_CASES]


def median_cases(rows: Rows, name: str = BARET) -> list[int]:
    """Return, of every kind, the median case of a method."""
    own = rows.get(name) or next(iter(rows.values()))
    medians = []
    for kind in dict.fromkeys(row.task.kind for row in own):
        cases = [case for case, row in enumerate(own) if row.task.kind == kind]
        cases.sort(key=lambda case: _goodness(own[case]))
        medians.append(cases[len(cases) // 2])
    return medians
