"""Ablations written down: a plot, the figures, and a place for what they say."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from bench.ablations.convergence import INNER_STEPS, STARTS, Point
from bench.ablations.studies import Study
from bench.edits import tables
from bench.edits.run import Row
from bench.edits.statistics import bootstrap

Measured = Mapping[str, Sequence[tuple[float | str, Sequence[Row]]]]  # series → points
SHOWN = (
    ("joint", "joint success"),
    ("changed", "changed as asked"),
    ("psnr_outside", "PSNR outside, dB"),
    ("calls", "UNet rows"),
)
FINDING = "*Two sentences: not written yet.*"

mpl.rcParams.update({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False})


def write(name: str, study: Study, measured: Measured, out: Path) -> None:
    """Write a study's plots and figures; what was found is written by hand beside them."""
    out.mkdir(parents=True, exist_ok=True)
    figures = {
        series: [
            {"setting": x, "figures": tables.plain(tables.summary({series: rows}))}
            for x, rows in points
        ]
        for series, points in measured.items()
    }
    _write_json(out / f"{name}.json", {"question": study.question, "series": figures})
    _plot(study, measured, out / f"{name}.png")
    _plot_kinds(study, measured, out / f"{name}-kinds.png")
    page(name, study.question, ["", "-kinds"], out)


def page(name: str, question: str, plots: Sequence[str], out: Path) -> None:
    """A page with a place for two sentences; one that is there is left as it is."""
    path = out / f"{name}.md"
    if path.is_file():
        return
    shown = "\n\n".join(f"![{name}{plot}]({name}{plot}.png)" for plot in plots)
    path.write_text(f"# {question}\n\n{FINDING}\n\n`python -m bench.ablations {name}`\n\n{shown}\n")


def _write_json(path: Path, told: Any) -> None:
    path.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n")


def _plot(study: Study, measured: Measured, path: Path) -> None:
    """A panel a figure, a line a series, with intervals."""
    columns = {column.name: column for column in tables.COLUMNS}
    figure = Figure(figsize=(3.2 * len(SHOWN), 3.2), layout="constrained")
    for axes, (name, label) in zip(figure.subplots(1, len(SHOWN)), SHOWN, strict=True):
        for series, points in measured.items():
            _line(axes, series, [(x, [columns[name].value(row) for row in r]) for x, r in points])
        axes.set_xlabel(study.axis)
        axes.set_title(label)
    figure.get_axes()[0].legend()
    figure.suptitle(study.question)
    figure.savefig(path, dpi=130)


def _plot_kinds(study: Study, measured: Measured, path: Path) -> None:
    """A panel a kind of edit: joint success."""
    first = next(iter(measured.values()))[0][1]
    kinds = list(dict.fromkeys(row.task.kind for row in first))
    figure = Figure(figsize=(2.6 * len(kinds), 2.8), layout="constrained")
    panels = figure.subplots(1, len(kinds), sharey=True, squeeze=False)[0]
    for axes, kind in zip(panels, kinds, strict=True):
        for series, points in measured.items():
            values = [
                (x, [row.quality.joint for row in tables.of_kind(rows, kind)]) for x, rows in points
            ]
            _line(axes, series, values)
        axes.set_title(kind)
        axes.set_ylim(-0.05, 1.05)
        axes.set_xlabel(study.axis)
    panels[0].legend()
    panels[0].set_ylabel("joint success")
    figure.savefig(path, dpi=130)


def _line(axes: Any, label: str, points: Sequence[tuple[float | str, Sequence[Any]]]) -> None:
    found = [(x, bootstrap(values)) for x, values in points]
    there = [(x, interval) for x, interval in found if interval is not None]
    if not there:
        return
    xs = [x for x, _ in there]
    means = np.array([interval.mean for _, interval in there])
    low = np.array([interval.low for _, interval in there])
    high = np.array([interval.high for _, interval in there])
    words = isinstance(xs[0], str)
    style = "o" if words else "o-"
    axes.errorbar(
        xs, means, yerr=[means - low, high - means], fmt=style, label=label, elinewidth=0.6
    )
    if words:
        axes.tick_params(axis="x", rotation=45)


def write_convergence(points: Sequence[Point], ceiling: float, out: Path) -> None:
    """The reconstruction after each number of inner steps, by start."""
    out.mkdir(parents=True, exist_ok=True)
    question = "Does tuning land sooner from the target text than null-text inversion does?"
    told = {"question": question, "vae_psnr": ceiling, "points": [asdict(p) for p in points]}
    _write_json(out / "convergence.json", told)
    figure = Figure(figsize=(5.5, 4), layout="constrained")
    axes = figure.subplots()
    for start in STARTS:
        own = {p.inner_steps: p.reconstruction_psnr for p in points if p.start == start}
        _line(axes, start, [(inner, own[inner]) for inner in INNER_STEPS if inner in own])
    axes.axhline(ceiling, color="gray", linewidth=0.8, linestyle="--")
    axes.annotate("VAE alone", (0, ceiling), (0, 3), textcoords="offset points")
    axes.set_xlabel("inner steps a timestep")
    axes.set_ylabel("reconstruction PSNR, dB")
    axes.legend()
    figure.savefig(out / "convergence.png", dpi=130)
    page("convergence", question, [""], out)
