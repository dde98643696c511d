"""Means with intervals, the figures as JSON, and the page of both datasets."""

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.common.files import write_json, write_whole
from bench.common.markdown import table
from bench.common.statistics import bootstrap
from bench.photos.datasets import DATASETS
from bench.photos.run import Record

ALL = "all"


@dataclass(frozen=True)
class Column:
    """A metric in the tables, in the unit in which it is published."""

    metric: str  # of `Scores`
    title: str
    factor: float
    digits: int


# PIE-Bench's own units (arXiv 2310.01506, table 1).
COLUMNS = (
    Column("structure", "structure ×10³ ↓", 1e3, 2),
    Column("background_psnr", "background PSNR ↑", 1, 2),
    Column("background_lpips", "background LPIPS ×10³ ↓", 1e3, 2),
    Column("background_mse", "background MSE ×10⁴ ↓", 1e4, 2),
    Column("background_ssim", "background SSIM ×10² ↑", 1e2, 2),
    Column("clip_whole", "CLIP whole ↑", 1, 2),
    Column("clip_edited", "CLIP edited ↑", 1, 2),
    Column("clip_directional", "CLIP directional ↑", 1, 3),
    Column("lpips", "LPIPS ↓", 1, 3),
)
IN_TABLE = {
    "pie-bench": COLUMNS[:8],
    "tedbench": tuple(c for c in COLUMNS if c.metric in ("clip_whole", "lpips", "structure")),
}

TITLES = {"tedbench": "TEDBench", "pie-bench": "PIE-Bench"}
COMMAND = (
    "python -m bench.photos --dataset {} PATH --model stable-diffusion-v1-5/stable-diffusion-v1-5"
)


@dataclass(frozen=True)
class Conditions:
    """The conditions of the measurements."""

    dataset: str
    command: str
    model: str
    identity: str  # of its weights
    machine: str
    dtype: str
    steps: int
    edits: int  # tasks edited
    edits_of: int  # tasks in the dataset
    judges: dict[str, str]
    methods: dict[str, str]  # name → a line about it
    versions: dict[str, str]


def summarise(records: Sequence[Record]) -> list[dict[str, Any]]:
    """Return a row for each kind and method, the whole dataset first."""
    kinds = sorted({record.kind for record in records})
    groups = {ALL: list(records)}
    if len(kinds) > 1:
        groups |= {kind: [r for r in records if r.kind == kind] for kind in kinds}
    rows = []
    for kind, members in groups.items():
        for method in dict.fromkeys(record.method for record in members):
            own = [record for record in members if record.method == method]
            rows.append({"kind": kind, "method": method, **_row(own)})
    return rows


def _row(records: Sequence[Record]) -> dict[str, Any]:
    scores = [asdict(record.scores) for record in records]
    values = {c.metric: [s[c.metric] for s in scores] for c in COLUMNS}
    return {
        "edits": len(records),
        # Without an error, PSNR is infinite; such edits are left out of its mean and counted here.
        "background_exact": sum(value == 0 for value in values["background_mse"]),
        "seconds": statistics.median(record.seconds for record in records),
        "means": {metric: interval(own) for metric, own in values.items()},
    }


def interval(values: Sequence[float | None]) -> tuple[float, float, float] | None:
    """Return the mean and its bootstrapped 95 % interval; None if there is no value."""
    mean = bootstrap(values)
    return None if mean is None else (mean.mean, mean.low, mean.high)


def write(folder: Path, conditions: Conditions, records: Sequence[Record]) -> None:
    """Write the figures of a dataset, and the page of all datasets measured so far."""
    data = {
        "conditions": asdict(conditions),
        "rows": summarise(records),
        "records": [asdict(record) for record in records],
    }
    write_json(folder / f"photos-{conditions.dataset}.json", data)
    write_whole(folder / "photos.md", page(folder))


def page(folder: Path) -> str:
    """Return the page of the figures in the folder; a table without figures says so."""
    lines = [
        "# Photographs",
        "",
        "Published datasets with their published metrics. `python -m bench.photos` writes this",
        "page; weights and datasets are not part of this repository. The docstrings in",
        "`bench/photos/` define each metric and name its source.",
    ]
    for dataset in DATASETS:
        path = folder / f"photos-{dataset}.json"
        lines += ["", f"## {TITLES[dataset]}", ""]
        if path.is_file():
            lines += _measured(dataset, json.loads(path.read_text("utf-8")))
        else:
            lines += _empty(dataset)
    return "\n".join(lines) + "\n"


def _table(dataset: str, rows: Sequence[Sequence[str]]) -> str:
    titles = [column.title for column in IN_TABLE[dataset]]
    return table(["kind", "method", "edits", *titles, "seconds"], rows)


def _empty(dataset: str) -> list[str]:
    return [
        "**Not measured.** The weights and the dataset were not available. To fill this table, get",
        "both (see `--help`) and run:",
        "",
        "```",
        "pip install -c constraints.txt -e '.[worker,photos]'",
        COMMAND.format(dataset),
        "```",
        "",
        _table(dataset, [["–"] * (4 + len(IN_TABLE[dataset]))]),
    ]


def _measured(dataset: str, data: dict[str, Any]) -> list[str]:
    conditions = data["conditions"]
    part = f"{conditions['edits']} of {conditions['edits_of']} edits"
    if conditions["edits"] < conditions["edits_of"]:
        part = f"**Only {part}: not comparable with published figures.**"
    lines = [
        f"{part}, {conditions['steps']} steps. Model `{conditions['model']}` in "
        f"{conditions['dtype']} on {conditions['machine']}. Metrics: "
        + ", ".join(f"{name} `{what}`" for name, what in conditions["judges"].items())
        + f". All intervals and edits are in [photos-{dataset}.json](photos-{dataset}.json).",
        "",
        "```",
        conditions["command"],
        "```",
        "",
        *(f"- `{name}`: {about}" for name, about in conditions["methods"].items()),
        "",
        _table(dataset, [_cells(dataset, row) for row in data["rows"]]),
        "",
        "Figures are means; seconds are the median of an edit.",
    ]
    if any(row["background_exact"] for row in data["rows"]):
        lines += [
            "Edits with a background exactly as in the photo have no finite PSNR. They are left",
            "out of its mean; their number is in brackets.",
        ]
    return [*lines, "", f"![edits](photos-{dataset}.png)"]


def _cells(dataset: str, row: dict[str, Any]) -> list[str]:
    cells = [row["kind"], row["method"], str(row["edits"])]
    for column in IN_TABLE[dataset]:
        mean = row["means"][column.metric]
        cell = "–" if mean is None else f"{mean[0] * column.factor:.{column.digits}f}"
        if column.metric == "background_psnr" and row["background_exact"]:
            cell += f" (+{row['background_exact']} exact)"
        cells.append(cell)
    return [*cells, f"{row['seconds']:.1f}"]
