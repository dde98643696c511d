"""`python -m bench.service.contact_sheet`: ten sample edits through HTTP on one sheet.

Every sample, with the service's defaults, once; failures stay in. Needs a running service
(`make run`).
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

from bench.service.running import edit_through_http

SAMPLES = Path(__file__).parents[2] / "zoo" / "samples"
TILE = 192  # pixels
MARGIN = 12
LINE = 18
IN_README = (0, 6)  # a posture and a colour


@dataclass(frozen=True)
class Row:
    """One sample edit, seen to its end."""

    sample: dict[str, str]
    edit: dict[str, Any]
    images: tuple[Image.Image | None, ...]  # before, after, reconstruction, exact answer


def run(client: httpx.Client) -> list[Row]:
    """Every sample's edit, in order."""
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
    """What the edit took on the worker."""
    return round(edit["metrics"]["run_seconds"] or 0.0, 1)


def draw(rows: list[Row]) -> Image.Image:
    """Two samples a line: what was sent, what came back, the reconstruction, the exact answer."""
    width, height = 4 * TILE + MARGIN, TILE + 2 * LINE + MARGIN
    sheet = Image.new("RGB", (2 * width + MARGIN, height * ((len(rows) + 1) // 2) + LINE), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(13)
    heads = ("sent", "edited", "reconstruction", "exact answer")
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
        pen.text((x, y + TILE + LINE - 2), f"asked: {row.sample['prompt']}", "black", font)
    return sheet


def before_and_after(rows: list[Row]) -> Image.Image:
    """The picture at the top of the README: some samples before and after."""
    shown = [rows[i] for i in IN_README if rows[i].images[1] is not None]
    banner = Image.new("RGB", (len(shown) * (2 * TILE + 2 * MARGIN), TILE), "white")
    for i, row in enumerate(shown):
        for column, image in enumerate(row.images[:2]):
            if image is not None:
                tile = image.convert("RGB").resize((TILE, TILE), Image.Resampling.BICUBIC)
                banner.paste(tile, (i * (2 * TILE + 2 * MARGIN) + column * (TILE + 4), 0))
    return banner


def markdown(rows: list[Row]) -> str:
    """A page about the sheet."""
    lines = [
        "# Ten sample edits",
        "",
        "Every picture of `zoo/samples/` with its target text, once, with the service's defaults,",
        "through HTTP: `make run`, then `python -m bench.service.contact_sheet`.",
        "Failures included. The",
        f"worker ran on {platform.system()}, {platform.machine()}; seconds are the worker's.",
        "",
        "![samples](samples.png)",
        "",
        "| kind | sent | asked | status | seconds | reconstruction | inner steps |",
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
    """Write the sheet, the README's picture, the page and the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--out", type=Path, default=Path("docs/samples"))
    arguments = parser.parse_args()
    with httpx.Client(base_url=arguments.url, timeout=90) as client:
        rows = run(client)
    arguments.out.mkdir(parents=True, exist_ok=True)
    draw(rows).save(arguments.out / "samples.png", optimize=True)
    before_and_after(rows).save(arguments.out / "before-after.png", optimize=True)
    (arguments.out / "README.md").write_text(markdown(rows))


if __name__ == "__main__":
    main()
