"""The page of the figures, its JSON, and the sheet to look at."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from bench.common.files import write_report
from bench.common.markdown import table
from bench.common.statistics import bootstrap
from bench.detail.cost import Cost
from bench.detail.figures import Figures
from bench.detail.forms import FORMS
from bench.detail.run import Case

COLUMNS = ("right", "changed", "drawn", "sharpness", "psnr_inside", "seam", "seconds")
ABOUT = {
    "off": "composition at the working size, enlarged",
    "matte": "the same, with the matte refined at full size",
    "auto": "and the changed region drawn again, in at most 4 tiles",
    "full": "the same, in at most 16 tiles",
}
TILE, GAP, HEAD = 320, 4, 18  # pixels of the sheet


@dataclass(frozen=True)
class Conditions:
    """Under what the figures were made."""

    model: str
    identity: str
    native_size: int
    machine: str
    dtype: str
    split: str
    edits: int  # at each size
    command: str


def write(
    path: Path, conditions: Conditions, rows: Sequence[Figures], costs: Sequence[Cost]
) -> None:
    """Write PATH.json and PATH.md."""
    data = {
        "conditions": asdict(conditions),
        "figures": [asdict(row) for row in rows],
        "costs": [asdict(cost) for cost in costs],
    }
    write_report(path, data, _page(path.name, conditions, rows, costs))


def _page(name: str, conditions: Conditions, rows: Sequence[Figures], costs: Sequence[Cost]) -> str:
    lines = [
        f"# `detail` with the model {conditions.model}",
        "",
        f"{conditions.edits} edits of the {conditions.split} split at each size, model of "
        f"{conditions.native_size} pixels, {conditions.dtype}, {conditions.machine}. "
        "Figures are means; `bench/detail/figures.py` says what each is.",
        "",
        "```",
        conditions.command,
        "```",
        "",
        *(f"- `{form}`: {about}" for form, about in ABOUT.items()),
        "",
        table(["photo", "form", *(column.replace("_", " ") for column in COLUMNS)], _cells(rows)),
        "",
        f"![edits]({name}.png)",
    ]
    if costs:
        lines += ["", "## Cost", "", _cost_table(costs)]
    return "\n".join(lines) + "\n"


def _cells(rows: Sequence[Figures]) -> list[list[str]]:
    cells = []
    for factor in sorted({row.factor for row in rows}):
        for form in FORMS:
            own = [row for row in rows if (row.factor, row.form) == (factor, form)]
            means = (bootstrap([getattr(row, column) for row in own]) for column in COLUMNS)
            cells.append(
                [f"×{factor}", form, *("–" if m is None else f"{m.mean:.2f}" for m in means)]
            )
    return cells


def _cost_table(costs: Sequence[Cost]) -> str:
    stages = list(dict.fromkeys(stage for cost in costs for stage in cost.seconds))
    head = ["megapixels", "detail", *(f"{stage}, s" for stage in stages), "memory, MiB"]
    on_device = any(cost.device_mib is not None for cost in costs)
    return table(
        [*head, "device, MiB"] if on_device else head,
        [
            [
                cost.megapixels,
                cost.detail,
                *(f"{cost.seconds.get(stage, 0):.1f}" for stage in stages),
                f"{cost.memory_mib:.0f}",
                *([f"{cost.device_mib:.0f}"] if cost.device_mib is not None else []),
            ]
            for cost in costs
        ],
    )


def draw(cases: Sequence[Case], path: Path) -> None:
    """Draw the sheet: a case per row, the photo, every form and the exact answer."""
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = ["before", *FORMS, "exact answer"]
    size = GAP + len(columns) * (TILE + GAP), len(cases) * (TILE + GAP + HEAD)
    sheet = Image.new("RGB", size, "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(11)
    for line, case in enumerate(cases):
        top = line * (TILE + GAP + HEAD)
        pictures = [case.task.source, *(edited.image for edited in case.edits), case.task.answer]
        for column, (title, picture) in enumerate(zip(columns, pictures, strict=True)):
            left = GAP + column * (TILE + GAP)
            text = title if column else f"{case.factor} times: {case.task.prompt}"
            pen.text((left, top + 2), text if column else text[:52], fill="#475569", font=font)
            tile = Image.fromarray(picture).resize((TILE, TILE), Image.Resampling.LANCZOS)
            sheet.paste(tile, (left, top + HEAD))
    sheet.quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)
