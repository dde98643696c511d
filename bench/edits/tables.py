"""The figures of a run: means with intervals, overall and by kind, as data and as Markdown."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from bench.common.markdown import table
from bench.common.statistics import RESAMPLES, Interval, bootstrap, paired
from bench.edits.criteria import CRITERIA
from bench.edits.evaluation import Row
from bench.edits.methods import BARET

Rows = Mapping[str, Sequence[Row]]  # method → its rows, the same cases in the same order
ALL = "all"


@dataclass(frozen=True)
class Column:
    """A figure in the tables."""

    name: str  # in the JSON
    head: str
    value: Callable[[Row], float | None]
    format: Callable[[float], str]


def _share(value: float) -> str:
    return f"{value:.2f}".removeprefix("0") if value < 1 else "1.0"


def _decibels(value: float) -> str:
    return f"{value:.1f}"


COLUMNS = (
    Column("right", "**right**", lambda row: row.right, _share),
    Column("joint", "joint", lambda row: row.quality.joint, _share),
    Column("changed", "changed", lambda row: row.quality.changed, _share),
    Column("kept", "kept", lambda row: row.quality.kept, _share),
    Column("drawn", "drawn", lambda row: row.appearance.drawn, _share),
    Column("ghost", "ghost", lambda row: row.appearance.ghost, _share),
    Column("lost", "lost", lambda row: row.appearance.lost, _share),
    Column("background", "backgr.", lambda row: row.appearance.background, _decibels),
    Column("seam", "seam", lambda row: row.appearance.seam, _decibels),
    Column("realism", "real", lambda row: row.appearance.realism, _share),
    Column("psnr", "PSNR", lambda row: row.quality.psnr, _decibels),
    Column("ssim", "SSIM", lambda row: row.quality.ssim, _share),
    Column("psnr_inside", "inside", lambda row: row.quality.psnr_inside, _decibels),
    Column("psnr_outside", "outside", lambda row: row.quality.psnr_outside, _decibels),
    Column("reconstruction_psnr", "recon.", lambda row: row.quality.reconstruction_psnr, _decibels),
    Column(
        "seconds",
        "s",
        lambda row: row.result.spent.seconds if row.result.spent else None,
        _decibels,
    ),
    Column(
        "calls",
        "UNet",
        lambda row: row.result.spent.calls if row.result.spent else None,
        lambda value: f"{value:.0f}",
    ),
    Column(
        "backward",
        "backward",
        lambda row: row.result.spent.backward if row.result.spent else None,
        lambda value: f"{value:.0f}",
    ),
)
COST = ("seconds", "calls", "backward")
COMPARED = ("right", "joint", "changed", "drawn", "ghost", "lost", "realism", "psnr", "ssim")
LEGEND = """\
*Changed*: the judge sees the requested change. *Kept*: it sees all other attributes as before.
*Joint*: both, and the pixels outside the exact change mask lose at most 7 dB of PSNR compared with
the exact answer put through the VAE alone. *Right*: changed, kept, *drawn* at least {drawn},
*ghost* at most {ghost}, *lost* at most {lost}, *backgr.* at most {background} dB and *seam* at
most {seam}. These five allow the animal to stand elsewhere, within what the text leaves open.
*Drawn*: its structural similarity to the nearest such answer, 0–1. *Ghost*: the share of uncovered
pixels that still show the old animal. *Lost*: the share of the background's details that are gone,
such as stars and edges of trees. *Backgr.*: the PSNR that kept background loses, compared with the
exact answer through the VAE. *Seam*: the strength of false edges around the animal, in grey
levels. *Real*: the probability that an image is a picture of the small world, by a classifier that
tells such pictures from edits. *PSNR*, *SSIM*: to the exact answer, in dB and 0–1; *inside*,
*outside*: PSNR where the exact answer differs from the source, and elsewhere. *Recon.*: PSNR of
the method's reconstruction of the source. *s*, *UNet*, *backward*: seconds, UNet rows forward and
UNet rows backward per image. ± is half the bootstrapped 95 % interval ({resamples} resamples of
the edits). Equal images count as 60 dB."""


def legend() -> str:
    """Return what the columns mean."""
    return LEGEND.format(
        resamples=RESAMPLES,
        drawn=CRITERIA.min_drawn,
        ghost=CRITERIA.max_ghost,
        lost=CRITERIA.max_lost,
        background=CRITERIA.max_background_loss,
        seam=CRITERIA.max_seam,
    )


def kinds(rows: Rows) -> list[str]:
    """Return `all`, then the kinds in the order of the edits."""
    return [ALL, *dict.fromkeys(row.task.kind for row in next(iter(rows.values())))]


def of_kind(rows: Sequence[Row], kind: str) -> list[Row]:
    """Return the rows of a kind, or all."""
    return [row for row in rows if kind in (ALL, row.task.kind)]


def summary(rows: Rows) -> dict[str, dict[str, dict[str, Interval | None]]]:
    """Return kind → method → figure → mean and interval."""
    return {
        kind: {
            name: {
                column.name: bootstrap([column.value(row) for row in of_kind(own, kind)])
                for column in COLUMNS
            }
            for name, own in rows.items()
        }
        for kind in kinds(rows)
    }


def differences(
    rows: Rows, reference: str = BARET
) -> dict[str, dict[str, dict[str, Interval | None]]]:
    """Return kind → method → figure → the reference's mean minus the method's, edit by edit."""
    return {
        kind: {
            name: {
                column.name: paired(
                    [column.value(row) for row in of_kind(rows[reference], kind)],
                    [column.value(row) for row in of_kind(own, kind)],
                )
                for column in COLUMNS
                if column.name in COMPARED
            }
            for name, own in rows.items()
            if name != reference
        }
        for kind in kinds(rows)
    }


def to_json(value: Any) -> Any:
    """Return the value with intervals as JSON represents them."""
    if isinstance(value, Interval):
        return {k: round(v, 5) if isinstance(v, float) else v for k, v in asdict(value).items()}
    if isinstance(value, dict):
        return {key: to_json(one) for key, one in value.items()}
    return value


def method_table(
    figures: Mapping[str, Mapping[str, Interval | None]], titles: Mapping[str, str]
) -> str:
    """Format the figures in Markdown, a method per line."""
    return table(
        ["method", *(column.head for column in COLUMNS)],
        [
            [titles[name], *(_cell(own[column.name], column) for column in COLUMNS)]
            for name, own in figures.items()
        ],
    )


def _cell(interval: Interval | None, column: Column) -> str:
    if interval is None:
        return "–"
    mean = column.format(interval.mean)
    if column.name in COST:
        return mean
    half = (interval.high - interval.low) / 2
    return f"{mean} ±{column.format(half)}"


def difference_table(
    figures: Mapping[str, Mapping[str, Interval | None]], titles: Mapping[str, str]
) -> str:
    """Format the differences in Markdown, with the ends of their intervals."""
    names = list(next(iter(figures.values()))) if figures else []
    return table(
        ["compared with", *(column.head for column in COLUMNS if column.name in names)],
        [
            [titles[name], *(_signed(own[figure]) for figure in names)]
            for name, own in figures.items()
        ],
    )


def _signed(interval: Interval | None) -> str:
    if interval is None:
        return "–"
    bold = "**" if interval.low > 0 or interval.high < 0 else ""
    return f"{bold}{interval.mean:+.2f}{bold} ({interval.low:+.2f} … {interval.high:+.2f})"
