"""The report of a run: figures as JSON, a page with tables, plots and contact sheets."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from bench.common.device import device_name
from bench.common.files import write_report
from bench.common.markdown import table
from bench.edits import plots, sheets, tables
from bench.edits.cases import SPLITS
from bench.edits.evaluation import Bench
from bench.edits.methods import BARET, METHODS
from bench.edits.realism.classifier import Realism

SETTINGS = """\
Each method has the best of its six settings on the tuning split (`bench/edits/tuned.json`). BARET
itself was developed on the same edits, in about 150 runs that the peers did not have."""


@dataclass(frozen=True)
class Run:
    """A run: the methods with their settings and results."""

    split: str
    rows: tables.Rows  # method → rows
    settings: Mapping[str, Any]  # method → its options
    bench: Bench
    steps: int  # DDIM steps of every method

    @property
    def command(self) -> str:
        """What makes the run again."""
        command = f"python -m bench.edits --split {self.split} --steps {self.steps}"
        count = len(self.bench.tasks)
        return command if count == len(SPLITS[self.split]()) else f"{command} --limit {count}"

    @property
    def machine(self) -> str:
        """The machine that the seconds were measured on."""
        device = self.bench.model.model.device
        threads = f", threads: {torch.get_num_threads()}" if device.type == "cpu" else ""
        return device_name(device) + threads


def write(run: Run, out: Path) -> Path:
    """Write the report into a folder.

    Returns:
        The path of the page.
    """
    name = f"edits-{run.split}"
    images = out / name
    images.mkdir(parents=True, exist_ok=True)
    titles = {method: METHODS[method].title for method in run.rows}
    by_kind = tables.summary(run.rows)
    ahead = tables.differences(run.rows) if BARET in run.rows else {}
    plots.share_by_kind(by_kind, titles, plots.RIGHT, images / "right.png")
    plots.share_by_kind(by_kind, titles, plots.JOINT, images / "joint.png")
    plots.trade_off(by_kind[tables.ALL], titles, images / "trade-off.png")
    plots.cost(by_kind[tables.ALL], titles, images / "cost.png")
    cases = {
        "random": sheets.random_cases(run.rows),
        "worst": sheets.worst_cases(run.rows),
        "median": sheets.median_cases(run.rows),
        **{kind: sheets.cases_of_kind(run.rows, kind) for kind in tables.kinds(run.rows)[1:]},
    }
    if BARET in run.rows:
        sheets.before_and_after(run.rows[BARET], cases["median"], images / "before-after.png")
    for sheet, own in cases.items():
        sheets.draw(run.rows, titles, own, images / f"sheet-{sheet}.png")
    write_report(out / name, _data(run, by_kind, ahead), _page(run, by_kind, ahead, list(cases)))
    return out / f"{name}.md"


def _data(run: Run, by_kind: Any, ahead: Any) -> dict[str, Any]:
    return {
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
        "figures": tables.to_json(by_kind),
        "ahead": tables.to_json(ahead),
        "cases": {
            name: [
                {
                    "index": row.task.index,
                    "kind": row.task.kind,
                    "right": row.right,
                    **asdict(row.quality),
                    **asdict(row.appearance),
                    "spent": asdict(row.result.spent) if row.result.spent else None,
                }
                for row in rows
            ]
            for name, rows in run.rows.items()
        },
    }


def _page(run: Run, by_kind: Any, ahead: Any, sheet_names: list[str]) -> str:
    titles = {method: METHODS[method].title for method in run.rows}
    images = f"edits-{run.split}"
    model = run.bench.model.model
    parts = [
        f"# {len(run.bench.tasks)} edits with exact answers: the {run.split} split",
        f"`{run.command}`, on {run.machine}, "
        f"{run.bench.batch} images per batch, model `{model.identity[:12]}`, {model.dtype}.",
        tables.legend(),
        _realism(run.bench.realism),
        f"![right]({images}/right.png)",
        f"![joint success]({images}/joint.png)",
    ]
    for kind, figures in by_kind.items():
        count = len(tables.of_kind(next(iter(run.rows.values())), kind))
        parts += [f"## {kind.capitalize()} ({count})", tables.method_table(figures, titles)]
        if ahead:
            parts += [
                f"{METHODS[BARET].title} minus each other method, edit by edit; bold if the 95 % "
                "interval excludes 0:",
                tables.difference_table(ahead[kind], titles),
            ]
    parts += [
        "## Settings",
        SETTINGS,
        _settings(run),
        "## Trade-off and cost",
        f"![trade-off]({images}/trade-off.png) ![cost]({images}/cost.png)",
        "## Contact sheets",
        "A green frame marks an edit that is right. For *worst* and *median* the edits of "
        f"{METHODS[BARET].title} are ordered by *right*, then by *drawn*; *random* is drawn with a "
        "fixed seed; the others show the first cases of their kind.",
        *[
            f"### {name.capitalize()}\n\n![{name}]({images}/sheet-{name}.png)"
            for name in sheet_names
        ],
    ]
    return "\n\n".join(parts) + "\n"


def _realism(realism: Realism | None) -> str:
    if realism is None:
        return "*Real* is not measured: its classifier has not been trained for this model."
    return (
        "The classifier of *real* tells held-out pictures of the small world from held-out edits "
        f"with an accuracy of {realism.provenance.accuracy:.2f}, both being as likely."
    )


def _settings(run: Run) -> str:
    return table(
        ["method", "setting", "remark"],
        [
            [METHODS[name].title, f"`{options}`", METHODS[name].note]
            for name, options in run.settings.items()
        ],
    )
