"""Plots of a run."""

from collections.abc import Mapping
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from bench.common.statistics import Interval
from bench.edits.methods import BARET

Figures = Mapping[str, Mapping[str, Interval | None]]  # method → figure → interval
BARET_COLOUR, PEER_COLOUR = "#c2410c", "#64748b"

mpl.rcParams.update({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False})


def joint_success(by_kind: Mapping[str, Figures], titles: Mapping[str, str], path: Path) -> None:
    """Plot joint success of every method with its interval, a panel per kind."""
    names = list(next(iter(by_kind.values())))
    figure = Figure(figsize=(2.2 * len(by_kind) + 1.6, 0.3 * len(names) + 1), layout="constrained")
    panels = figure.subplots(1, len(by_kind), sharey=True, squeeze=False)[0]
    for axes, (kind, figures) in zip(panels, by_kind.items(), strict=True):
        for y, name in enumerate(names):
            joint = figures[name]["joint"]
            if joint is None:
                continue
            colour = BARET_COLOUR if name.startswith(BARET) else PEER_COLOUR
            axes.barh(y, joint.mean, color=colour, height=0.7)
            axes.plot([joint.low, joint.high], [y, y], color="black", linewidth=1)
        axes.set_title(kind)
        axes.set_xlim(0, 1)
        axes.set_yticks(range(len(names)), [titles[name] for name in names])
    panels[0].invert_yaxis()
    figure.supxlabel("joint success, bootstrapped 95 % interval")
    figure.savefig(path, dpi=150)


def trade_off(figures: Figures, titles: Mapping[str, str], path: Path) -> None:
    """Plot *changed* against PSNR outside the change mask: up and right is better."""
    figure = Figure(figsize=(6, 4.5), layout="constrained")
    axes = figure.subplots()
    for name, own in figures.items():
        x, y = own["psnr_outside"], own["changed"]
        if x is None or y is None:
            continue
        colour = BARET_COLOUR if name.startswith(BARET) else PEER_COLOUR
        axes.errorbar(
            x.mean,
            y.mean,
            xerr=[[x.mean - x.low], [x.high - x.mean]],
            yerr=[[y.mean - y.low], [y.high - y.mean]],
            color=colour,
            marker="o",
            elinewidth=0.6,
        )
        axes.annotate(titles[name], (x.mean, y.mean), (4, 4), textcoords="offset points")
    axes.set_xlabel("PSNR outside the change mask, dB")
    axes.set_ylabel("changed as requested")
    figure.savefig(path, dpi=150)


def cost(figures: Figures, titles: Mapping[str, str], path: Path) -> None:
    """Plot joint success against seconds per image."""
    figure = Figure(figsize=(6, 4.5), layout="constrained")
    axes = figure.subplots()
    for name, own in figures.items():
        seconds, joint = own["seconds"], own["joint"]
        if seconds is None or joint is None:
            continue
        colour = BARET_COLOUR if name.startswith(BARET) else PEER_COLOUR
        axes.plot(seconds.mean, joint.mean, "o", color=colour)
        axes.annotate(titles[name], (seconds.mean, joint.mean), (4, 4), textcoords="offset points")
    axes.set_xscale("log")
    axes.set_xlabel("seconds per image")
    axes.set_ylabel("joint success")
    axes.set_ylim(0, 1)
    figure.savefig(path, dpi=150)
