"""The report of a study: plots, figures, and a page whose finding is written by hand."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from bench.ablations.convergence import INNER_STEPS, STARTS, Point
from bench.ablations.studies import Study
from bench.common.files import write_json
from bench.common.statistics import bootstrap
from bench.edits import sheets, tables
from bench.edits.evaluation import Row

Measured = Mapping[str, Sequence[tuple[float | str, Sequence[Row]]]]  # series → points
PLOTTED = (
    ("right", "right edits"),
    ("changed", "changed as requested"),
    ("drawn", "drawn like the answer"),
    ("background", "background's loss, dB"),
    ("calls", "UNet rows"),
)
BY_KIND = PLOTTED[:3]
CASES_OF_KIND = 2  # on a contact sheet
FINDING = "*The finding has not been written yet.*"

mpl.rcParams.update({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False})


def write(name: str, study: Study, measured: Measured, out: Path) -> None:
    """Write the plots, figures and page of a study."""
    out.mkdir(parents=True, exist_ok=True)
    figures = {
        series: [
            {"setting": x, "figures": tables.to_json(tables.summary({series: rows}))}
            for x, rows in points
        ]
        for series, points in measured.items()
    }
    write_json(out / f"{name}.json", {"question": study.question, "series": figures})
    _plot(study, measured, out / f"{name}.png")
    _plot_kinds(study, measured, out / f"{name}-kinds.png")
    if study.sheet:
        _draw_sheet(measured, out / f"{name}-sheet.png")
    page(name, study.question, ["", "-kinds", *(["-sheet"] if study.sheet else [])], out)


def page(name: str, question: str, plots: Sequence[str], out: Path) -> None:
    """Write a page with a placeholder for the finding; an existing page stays as it is."""
    path = out / f"{name}.md"
    if path.is_file():
        return
    images = "\n\n".join(f"![{name}{plot}]({name}{plot}.png)" for plot in plots)
    path.write_text(
        f"# {question}\n\n{FINDING}\n\n`python -m bench.ablations {name}`\n\n{images}\n"
    )


def _plot(study: Study, measured: Measured, path: Path) -> None:
    """Plot each figure in a panel and each series as a line, with intervals."""
    columns = {column.name: column for column in tables.COLUMNS}
    figure = Figure(figsize=(3.2 * len(PLOTTED), 3.2), layout="constrained")
    for axes, (name, label) in zip(figure.subplots(1, len(PLOTTED)), PLOTTED, strict=True):
        for series, points in measured.items():
            _line(axes, series, [(x, [columns[name].value(row) for row in r]) for x, r in points])
        axes.set_xlabel(study.axis)
        axes.set_title(label)
    figure.get_axes()[0].legend()
    figure.suptitle(study.question)
    figure.savefig(path, dpi=130)


def _plot_kinds(study: Study, measured: Measured, path: Path) -> None:
    """Plot the shares, a column of panels per kind of edit."""
    columns = {column.name: column for column in tables.COLUMNS}
    kinds = _kinds(measured)
    figure = Figure(figsize=(2.6 * len(kinds), 2.4 * len(BY_KIND)), layout="constrained")
    panels = figure.subplots(len(BY_KIND), len(kinds), sharex=True, sharey=True, squeeze=False)
    for line, (name, label) in zip(panels, BY_KIND, strict=True):
        for axes, kind in zip(line, kinds, strict=True):
            for series, points in measured.items():
                values = [
                    (x, [columns[name].value(row) for row in tables.of_kind(rows, kind)])
                    for x, rows in points
                ]
                _line(axes, series, values)
            axes.set_ylim(-0.05, 1.05)
        line[0].set_ylabel(label)
    for axes, kind in zip(panels[0], kinds, strict=True):
        axes.set_title(kind)
    for axes in panels[-1]:
        axes.set_xlabel(study.axis)
    panels[0][0].legend()
    figure.savefig(path, dpi=130)


def _kinds(measured: Measured) -> list[str]:
    first = next(iter(measured.values()))[0][1]
    return list(dict.fromkeys(row.task.kind for row in first))


def _draw_sheet(measured: Measured, path: Path) -> None:
    """Draw the first edits of every kind, a setting per column."""
    rows = {f"{series}: {x}": own for series, points in measured.items() for x, own in points}
    cases = [
        case
        for kind in _kinds(measured)
        for case in sheets.cases_of_kind(rows, kind)[:CASES_OF_KIND]
    ]
    sheets.draw(rows, {name: name for name in rows}, cases, path)


def _line(axes: Any, label: str, points: Sequence[tuple[float | str, Sequence[Any]]]) -> None:
    intervals = [(x, bootstrap(values)) for x, values in points]
    known = [(x, interval) for x, interval in intervals if interval is not None]
    if not known:
        return
    xs = [x for x, _ in known]
    means = np.array([interval.mean for _, interval in known])
    low = np.array([interval.low for _, interval in known])
    high = np.array([interval.high for _, interval in known])
    categories = isinstance(xs[0], str)
    style = "o" if categories else "o-"
    axes.errorbar(
        xs, means, yerr=[means - low, high - means], fmt=style, label=label, elinewidth=0.6
    )
    if categories:
        axes.tick_params(axis="x", rotation=45)


def write_convergence(points: Sequence[Point], ceiling: float, out: Path) -> None:
    """Write the reconstructions after each number of inner steps, by start."""
    out.mkdir(parents=True, exist_ok=True)
    question = "Does tuning from the target text converge faster than null-text inversion?"
    data = {"question": question, "vae_psnr": ceiling, "points": [asdict(p) for p in points]}
    write_json(out / "convergence.json", data)
    figure = Figure(figsize=(5.5, 4), layout="constrained")
    axes = figure.subplots()
    for start in STARTS:
        own = {p.inner_steps: p.reconstruction_psnr for p in points if p.start == start}
        _line(axes, start, [(inner, own[inner]) for inner in INNER_STEPS if inner in own])
    axes.axhline(ceiling, color="gray", linewidth=0.8, linestyle="--")
    axes.annotate("VAE alone", (0, ceiling), (0, 3), textcoords="offset points")
    axes.set_xlabel("inner steps per timestep")
    axes.set_ylabel("reconstruction PSNR, dB")
    axes.legend()
    figure.savefig(out / "convergence.png", dpi=130)
    page("convergence", question, [""], out)
