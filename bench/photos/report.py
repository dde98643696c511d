"""Means with intervals, the figures as JSON, and the page of both datasets."""

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.photos.datasets import DATASETS
from bench.photos.run import Record, write_whole

RESAMPLES = 2000
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
    """Under what the figures were measured."""

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
    """A row for each kind and method, the whole dataset first."""
    kinds = sorted({record.kind for record in records})
    groups = {ALL: list(records)}
    if len(kinds) > 1:
        groups |= {kind: [r for r in records if r.kind == kind] for kind in kinds}
    rows = []
    for kind, members in groups.items():
        for method in dict.fromkeys(record.method for record in members):
            mine = [record for record in members if record.method == method]
            rows.append({"kind": kind, "method": method, **_row(mine)})
    return rows


def _row(records: Sequence[Record]) -> dict[str, Any]:
    scores = [asdict(record.scores) for record in records]
    found = {c.metric: [s[c.metric] for s in scores] for c in COLUMNS}
    return {
        "edits": len(records),
        # A PSNR without error is infinite; such edits are left out of its mean and counted here.
        "background_exact": sum(value == 0 for value in found["background_mse"]),
        "seconds": statistics.median(record.seconds for record in records),
        "means": {metric: interval(values) for metric, values in found.items()},
    }


def interval(values: Sequence[float | None]) -> tuple[float, float, float] | None:
    """Mean, and its bootstrapped 95 % interval; None where there is no value."""
    known = np.array([value for value in values if value is not None], dtype=np.float64)
    if not len(known):
        return None
    picks = np.random.default_rng(0).integers(0, len(known), (RESAMPLES, len(known)))
    low, high = np.quantile(known[picks].mean(1), (0.025, 0.975))
    return float(known.mean()), float(low), float(high)


def write(folder: Path, conditions: Conditions, records: Sequence[Record]) -> None:
    """Write the dataset's figures, and the page of all datasets measured so far."""
    told = {
        "conditions": asdict(conditions),
        "rows": summarise(records),
        "records": [asdict(record) for record in records],
    }
    text = json.dumps(told, indent=1, ensure_ascii=False)
    write_whole(folder / f"photos-{conditions.dataset}.json", text + "\n")
    write_whole(folder / "photos.md", page(folder))


def page(folder: Path) -> str:
    """The page, from the figures in the folder; a table without figures says so."""
    lines = [
        "# Photographs",
        "",
        "Published datasets, published metrics, written by `python -m bench.photos`. Weights and",
        "datasets are not part of this repository. What each metric is, and in which form it was",
        "published, stands in the docstrings of `bench/photos/`.",
    ]
    for dataset in DATASETS:
        path = folder / f"photos-{dataset}.json"
        lines += ["", f"## {TITLES[dataset]}", ""]
        if path.is_file():
            lines += _measured(dataset, json.loads(path.read_text("utf-8")))
        else:
            lines += _empty(dataset)
    return "\n".join(lines) + "\n"


def _head(dataset: str) -> list[str]:
    titles = ["kind", "method", "edits", *(c.title for c in IN_TABLE[dataset]), "seconds"]
    return ["| " + " | ".join(titles) + " |", "|---" * len(titles) + "|"]


def _empty(dataset: str) -> list[str]:
    return [
        "**Not measured.** Nobody with the weights at hand has filled this table yet. With them,",
        "and the dataset in a folder (`--help` says where both come from):",
        "",
        "```",
        "pip install -c constraints.txt -e '.[worker,photos]'",
        COMMAND.format(dataset),
        "```",
        "",
        *_head(dataset),
        "| " + " | ".join(["–"] * (4 + len(IN_TABLE[dataset]))) + " |",
    ]


def _measured(dataset: str, told: dict[str, Any]) -> list[str]:
    conditions = told["conditions"]
    part = f"{conditions['edits']} of {conditions['edits_of']} edits"
    if conditions["edits"] < conditions["edits_of"]:
        part = f"**Only {part}: not comparable with published figures.**"
    lines = [
        f"{part}, {conditions['steps']} steps. Model `{conditions['model']}` in "
        f"{conditions['dtype']} on {conditions['machine']}. Metrics: "
        + ", ".join(f"{name} `{what}`" for name, what in conditions["judges"].items())
        + f". Intervals and every edit are in [photos-{dataset}.json](photos-{dataset}.json).",
        "",
        "```",
        conditions["command"],
        "```",
        "",
        *(f"- `{name}`: {about}" for name, about in conditions["methods"].items()),
        "",
        *_head(dataset),
        *(_line(dataset, row) for row in told["rows"]),
        "",
        "Means; seconds are the median of an edit.",
    ]
    if any(row["background_exact"] for row in told["rows"]):
        lines += [
            "Edits whose background is the photo's to the last bit have no finite PSNR and are",
            "left out of its mean; their number stands behind it.",
        ]
    return [*lines, "", f"![edits](photos-{dataset}.png)"]


def _line(dataset: str, row: dict[str, Any]) -> str:
    cells = [row["kind"], row["method"], str(row["edits"])]
    for column in IN_TABLE[dataset]:
        found = row["means"][column.metric]
        cell = "–" if found is None else f"{found[0] * column.factor:.{column.digits}f}"
        if column.metric == "background_psnr" and row["background_exact"]:
            cell += f" (+{row['background_exact']} exact)"
        cells.append(cell)
    return "| " + " | ".join([*cells, f"{row['seconds']:.1f}"]) + " |"
