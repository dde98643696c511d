"""Plots of a run."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from bench.common.statistics import Interval
from bench.edits.methods import BARET

Figures = Mapping[str, Mapping[str, Interval | None]]  # method → figure → interval


@dataclass(frozen=True)
class Share:
    """A figure that is a share of the edits."""

    name: str  # in the tables
    label: str  # on the axis


RIGHT, JOINT = Share("right", "right edits"), Share("joint", "joint success")
BARET_COLOUR, PEER_COLOUR = "#c2410c", "#64748b"

mpl.rcParams.update({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False})


def share_by_kind(
    by_kind: Mapping[str, Figures], titles: Mapping[str, str], share: Share, path: Path
) -> None:
    """Plot a share of the edits for every method with its interval, a panel per kind."""
    names = list(next(iter(by_kind.values())))
    figure = Figure(figsize=(2.2 * len(by_kind) + 1.6, 0.3 * len(names) + 1), layout="constrained")
    panels = figure.subplots(1, len(by_kind), sharey=True, squeeze=False)[0]
    for axes, (kind, figures) in zip(panels, by_kind.items(), strict=True):
        for y, name in enumerate(names):
            interval = figures[name][share.name]
            if interval is None:
                continue
            colour = BARET_COLOUR if name.startswith(BARET) else PEER_COLOUR
            axes.barh(y, interval.mean, color=colour, height=0.7)
            axes.plot([interval.low, interval.high], [y, y], color="black", linewidth=1)
        axes.set_title(kind)
        axes.set_xlim(0, 1)
        axes.set_yticks(range(len(names)), [titles[name] for name in names])
    panels[0].invert_yaxis()
    figure.supxlabel(f"{share.label}, bootstrapped 95 % interval")
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
    """Plot the share of right edits against seconds per image."""
    figure = Figure(figsize=(6, 4.5), layout="constrained")
    axes = figure.subplots()
    for name, own in figures.items():
        seconds, right = own["seconds"], own["right"]
        if seconds is None or right is None:
            continue
        colour = BARET_COLOUR if name.startswith(BARET) else PEER_COLOUR
        axes.plot(seconds.mean, right.mean, "o", color=colour)
        axes.annotate(titles[name], (seconds.mean, right.mean), (4, 4), textcoords="offset points")
    axes.set_xscale("log")
    axes.set_xlabel("seconds per image")
    axes.set_ylabel("right edits")
    axes.set_ylim(0, 1)
    figure.savefig(path, dpi=150)
