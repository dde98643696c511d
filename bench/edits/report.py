"""Write a run down: JSON, a page with tables, plots, contact sheets."""

import json
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from bench.edits import plots, sheets, tables
from bench.edits.methods import METHODS, OURS
from bench.edits.run import Bench
from bench.edits.statistics import RESAMPLES

SETTINGS = """\
Each method's is the best of its six tries on the tuning split (`bench/edits/tuned.json`). BARET's
form itself was found on the same edits, in some ninety runs more than the peers had."""


@dataclass(frozen=True)
class Run:
    """What was run."""

    split: str
    rows: tables.Rows  # method → rows
    settings: Mapping[str, Any]  # method → its options
    bench: Bench
    steps: int  # DDIM steps of every method

    @property
    def machine(self) -> str:
        """What the seconds were measured on."""
        device = self.bench.model.model.device
        if device.type == "cuda":
            return torch.cuda.get_device_name(device)
        return f"{platform.machine()} CPU, {torch.get_num_threads()} threads"


def write(run: Run, out: Path) -> Path:
    """Write everything under a folder.

    Returns:
        The page.
    """
    name = f"edits-{run.split}"
    pictures = out / name
    pictures.mkdir(parents=True, exist_ok=True)
    titles = {method: METHODS[method].title for method in run.rows}
    by_kind, behind = tables.summary(run.rows), {}
    if OURS in run.rows:
        behind = tables.against(run.rows)
    (out / f"{name}.json").write_text(_json(run, by_kind, behind))
    plots.joint_success(by_kind, titles, pictures / "joint.png")
    plots.trade_off(by_kind[tables.ALL], titles, pictures / "trade-off.png")
    plots.cost(by_kind[tables.ALL], titles, pictures / "cost.png")
    places = {
        "random": sheets.random_places(run.rows),
        "worst": sheets.worst_places(run.rows),
        "median": sheets.median_places(run.rows),
        **{kind: sheets.kind_places(run.rows, kind) for kind in tables.kinds(run.rows)[1:]},
    }
    if OURS in run.rows:
        sheets.before_and_after(run.rows[OURS], places["median"], pictures / "before-after.png")
    for sheet, cases in places.items():
        sheets.draw(run.rows, titles, cases, pictures / f"sheet-{sheet}.png")
    page = out / f"{name}.md"
    page.write_text(_page(run, by_kind, behind, list(places)))
    return page


def _json(run: Run, by_kind: Any, behind: Any) -> str:
    told = {
        "split": run.split,
        "model": run.bench.model.model.identity,
        "machine": run.machine,
        "edits": len(run.bench.tasks),
        "steps": run.steps,
        "methods": {
            name: {
                "title": METHODS[name].title,
                "note": METHODS[name].note,
                "options": asdict(options),
            }
            for name, options in run.settings.items()
        },
        "figures": tables.plain(by_kind),
        "ahead": tables.plain(behind),
        "cases": {
            name: [
                {
                    "index": row.task.index,
                    "kind": row.task.kind,
                    **asdict(row.quality),
                    "spent": asdict(row.result.spent) if row.result.spent else None,
                }
                for row in rows
            ]
            for name, rows in run.rows.items()
        },
    }
    return json.dumps(told, indent=1, ensure_ascii=False) + "\n"


def _page(run: Run, by_kind: Any, behind: Any, names: list[str]) -> str:
    titles = {method: METHODS[method].title for method in run.rows}
    pictures = f"edits-{run.split}"
    model = run.bench.model.model
    parts = [
        f"# {len(run.bench.tasks)} edits with exact answers: the {run.split} split",
        f"`python -m bench.edits --split {run.split} --steps {run.steps}`, on {run.machine}, "
        f"{run.bench.batch} pictures at a time, model `{model.identity[:12]}`, {model.dtype}.",
        tables.LEGEND.format(resamples=RESAMPLES),
        f"![joint success]({pictures}/joint.png)",
    ]
    for kind, figures in by_kind.items():
        count = len(tables.of_kind(next(iter(run.rows.values())), kind))
        parts += [f"## {kind.capitalize()} ({count})", tables.table(figures, titles)]
        if behind:
            parts += [
                f"{METHODS[OURS].title} less the others, edit by edit; bold where the 95 % "
                "interval leaves 0 out:",
                tables.difference_table(behind[kind], titles),
            ]
    parts += [
        "## Settings",
        SETTINGS,
        _settings(run),
        "## Trade-off and cost",
        f"![trade-off]({pictures}/trade-off.png) ![cost]({pictures}/cost.png)",
        "## Contact sheets",
        "A green frame is a joint success. *Worst* and *median* go by the PSNR of "
        f"{METHODS[OURS].title} to the exact answer, *random* is drawn with a fixed seed; the "
        "others show the first cases of their kind.",
        *[f"### {name.capitalize()}\n\n![{name}]({pictures}/sheet-{name}.png)" for name in names],
    ]
    return "\n\n".join(parts) + "\n"


def _settings(run: Run) -> str:
    lines = ["| method | setting | remark |", "|---|---|---|"]
    lines += [
        f"| {METHODS[name].title} | `{options}` | {METHODS[name].note} |"
        for name, options in run.settings.items()
    ]
    return "\n".join(lines)
