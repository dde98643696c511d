"""`python -m bench.service.contact_sheet`: draw ten sample edits, made through HTTP, on one sheet.

Every sample is edited once with the service's defaults, and failures are shown too. Needs a running
service (`make run`).
"""

import argparse
import io
import json
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from PIL import Image, ImageDraw, ImageFont

from bench.service.running import SAMPLES, edit_through_http

TILE = 192  # pixels
MARGIN = 12
LINE = 18
IN_README = (4, 6, 3)  # a posture, a colour and a place


@dataclass(frozen=True)
class Row:
    """One sample edit that has ended."""

    sample: dict[str, str]
    edit: dict[str, Any]
    images: tuple[Image.Image | None, ...]  # before, after, reconstruction, exact answer


def run(client: httpx.Client) -> list[Row]:
    """Edit every sample in order."""
    rows = []
    for sample in json.loads((SAMPLES / "index.json").read_text()):
        edit, after = edit_through_http(
            client, SAMPLES / sample["file"], sample["prompt"], artifacts=True
        )
        rebuilt = None
        if after is not None:
            rebuilt = client.get(edit["artifacts"]["reconstruction"]).raise_for_status().content
        images = (
            Image.open(SAMPLES / sample["file"]),
            Image.open(io.BytesIO(after)) if after else None,
            Image.open(io.BytesIO(rebuilt)) if rebuilt else None,
            Image.open(SAMPLES / sample["answer"]),
        )
        rows.append(Row(sample, edit, images))
        print(f"{sample['kind']:8} {sample['prompt']}: {edit['status']}, {seconds(edit)} s")
    return rows


def seconds(edit: dict[str, Any]) -> float:
    """Return the seconds that the worker took."""
    return round(edit["metrics"]["run_seconds"] or 0.0, 1)


def draw(rows: list[Row]) -> Image.Image:
    """Draw two samples per line: source, edited image, reconstruction, exact answer."""
    width, height = 4 * TILE + MARGIN, TILE + 2 * LINE + MARGIN
    sheet = Image.new("RGB", (2 * width + MARGIN, height * ((len(rows) + 1) // 2) + LINE), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(13)
    heads = ("source", "edited", "reconstruction", "exact answer")
    for column in range(8):
        x = MARGIN + column // 4 * width + column % 4 * TILE
        pen.text((x, 2), heads[column % 4], fill="gray", font=font)
    for i, row in enumerate(rows):
        x, y = MARGIN + i % 2 * width, LINE + i // 2 * height
        for column, image in enumerate(row.images):
            if image is not None:
                tile = image.convert("RGB").resize((TILE, TILE), Image.Resampling.BICUBIC)
                sheet.paste(tile, (x + column * TILE, y))
        pen.text((x, y + TILE), f"{row.sample['kind']}: {row.sample['caption']}", "gray", font)
        pen.text((x, y + TILE + LINE - 2), f"target: {row.sample['prompt']}", "black", font)
    return sheet


def before_and_after(rows: list[Row]) -> Image.Image:
    """Draw some samples before and after, for the README."""
    chosen = [rows[i] for i in IN_README if rows[i].images[1] is not None]
    banner = Image.new("RGB", (len(chosen) * (2 * TILE + 2 * MARGIN), TILE), "white")
    for i, row in enumerate(chosen):
        for column, image in enumerate(row.images[:2]):
            if image is not None:
                tile = image.convert("RGB").resize((TILE, TILE), Image.Resampling.BICUBIC)
                banner.paste(tile, (i * (2 * TILE + 2 * MARGIN) + column * (TILE + 4), 0))
    return banner


def markdown(rows: list[Row]) -> str:
    """Return the page about the sheet."""
    lines = [
        "# Ten sample edits",
        "",
        "Every image of `zoo/samples/`, edited once through HTTP with its target text and the",
        "service's defaults, failures included. To make it again, run `make run`, then",
        "`python -m bench.service.contact_sheet`. The worker ran on "
        f"{platform.system()}, {platform.machine()}; seconds are the worker's.",
        "",
        "![samples](samples.png)",
        "",
        "| kind | source | target text | status | seconds | reconstruction | inner steps |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        metrics = row.edit["metrics"]
        lines.append(
            f"| {row.sample['kind']} | {row.sample['caption']} | {row.sample['prompt']} "
            f"| {row.edit['status']} | {seconds(row.edit)} "
            f"| {metrics['reconstruction_psnr']} dB | {metrics['inner_steps']} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Edit the samples; write the sheet, the README's image and the page."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.service.contact_sheet", description=__doc__
    )
    parser.add_argument("--url", default="http://127.0.0.1:8000", help="of the service")
    parser.add_argument(
        "--out", type=Path, default=Path("docs/samples"), help="folder of the sheet"
    )
    arguments = parser.parse_args()
    with httpx.Client(base_url=arguments.url, timeout=90) as client:
        rows = run(client)
    arguments.out.mkdir(parents=True, exist_ok=True)
    draw(rows).save(arguments.out / "samples.png", optimize=True)
    before_and_after(rows).save(arguments.out / "before-after.png", optimize=True)
    (arguments.out / "README.md").write_text(markdown(rows))


if __name__ == "__main__":
    main()
