"""Contact sheets: cases below one another, methods side by side."""

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from baret.images import Pixels
from bench.edits.methods import OURS
from bench.edits.run import Row
from bench.edits.tables import Rows

TILE, GAP, HEAD, LINE = 112, 4, 44, 16  # pixels
SHOWN = 12  # cases a sheet, at most
SEED = 7
RIGHT = "#16a34a"


def draw(rows: Rows, titles: Mapping[str, str], places: Sequence[int], path: Path) -> None:
    """Draw cases: source, exact answer, every method; a green frame is a joint success."""
    columns = ["source", "exact answer", *(titles[name] for name in rows)]
    width = GAP + len(columns) * (TILE + GAP)
    height = HEAD + len(places) * (TILE + GAP + LINE)
    sheet = Image.new("RGB", (width, height), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(11)
    for column, title in enumerate(columns):
        x = GAP + column * (TILE + GAP)
        pen.multiline_text((x, 2), textwrap.fill(title, 18), fill="black", font=font)
    first = next(iter(rows.values()))
    for line, place in enumerate(places):
        y, task = HEAD + line * (TILE + GAP + LINE), first[place].task
        own = [methods[place] for methods in rows.values()]
        pen.text((GAP, y), f"{task.index} {task.kind}: {task.prompt}", fill="#475569", font=font)
        for column, picture in enumerate([task.source, task.answer, *_pictures(own)]):
            corner = (GAP + column * (TILE + GAP), y + LINE)
            sheet.paste(_tile(picture), corner)
            if column >= 2 and own[column - 2].quality.joint:
                box = (*corner, corner[0] + TILE - 1, corner[1] + TILE - 1)
                pen.rectangle(box, outline=RIGHT, width=2)
    sheet.quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)


def before_and_after(rows: Sequence[Row], places: Sequence[int], path: Path) -> None:
    """Draw cases of one method for people who see it for the first time: sent, and edited."""
    columns = 3
    width, height = GAP + 2 * (TILE + GAP) + GAP, TILE + 2 * LINE + 2 * GAP
    lines = -(-len(places) // columns)
    sheet = Image.new("RGB", (columns * width, lines * height), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(11)
    for number, place in enumerate(places):
        x, y = GAP + number % columns * width, GAP + number // columns * height
        row = rows[place]
        sheet.paste(_tile(row.task.source), (x, y))
        sheet.paste(_tile(row.result.picture), (x + TILE + GAP, y))
        text = textwrap.fill(row.task.prompt, 40)
        pen.multiline_text((x, y + TILE + 2), text, fill="#475569", font=font, spacing=2)
    sheet.save(path)


def _pictures(rows: Sequence[Row]) -> list[Pixels]:
    return [row.result.picture for row in rows]


def _tile(picture: Pixels) -> Image.Image:
    return Image.fromarray(picture).resize((TILE, TILE), Image.Resampling.BICUBIC)


def random_places(rows: Rows) -> list[int]:
    """Some cases, drawn with a fixed seed."""
    count = len(next(iter(rows.values())))
    drawn = np.random.default_rng(SEED).permutation(count)[:SHOWN]
    return sorted(int(place) for place in drawn)


def worst_places(rows: Rows, name: str = OURS) -> list[int]:
    """The cases where a method is furthest from the exact answer, the worst first."""
    own = rows.get(name) or next(iter(rows.values()))
    return sorted(range(len(own)), key=lambda place: own[place].quality.psnr)[:SHOWN]


def kind_places(rows: Rows, kind: str) -> list[int]:
    """The first cases of a kind."""
    own = next(iter(rows.values()))
    return [place for place, row in enumerate(own) if row.task.kind == kind][:SHOWN]


def median_places(rows: Rows, name: str = OURS) -> list[int]:
    """Of every kind the case in the middle of a method's PSNR to the exact answer."""
    own = rows.get(name) or next(iter(rows.values()))
    places = []
    for kind in dict.fromkeys(row.task.kind for row in own):
        here = [place for place, row in enumerate(own) if row.task.kind == kind]
        here.sort(key=lambda place: own[place].quality.psnr)
        places.append(here[len(here) // 2])
    return places
