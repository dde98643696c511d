"""The figures of a run: means with intervals, overall and by kind, as data and as Markdown."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from bench.edits.methods import OURS
from bench.edits.run import Row
from bench.edits.statistics import Interval, bootstrap, paired

Rows = Mapping[str, Sequence[Row]]  # method → its rows, the same cases in the same order
ALL = "all"


@dataclass(frozen=True)
class Column:
    """One figure of a table."""

    name: str  # in the JSON
    head: str
    value: Callable[[Row], float | None]
    form: Callable[[float], str]
    unit: str = ""


def _share(value: float) -> str:
    return f"{value:.2f}".removeprefix("0") if value < 1 else "1.0"


def _decibels(value: float) -> str:
    return f"{value:.1f}"


COLUMNS = (
    Column("joint", "**joint**", lambda row: row.quality.joint, _share),
    Column("changed", "changed", lambda row: row.quality.changed, _share),
    Column("kept", "kept", lambda row: row.quality.kept, _share),
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
LEGEND = """\
*Joint*: changed as asked, all else kept, and the pixels outside the exact change mask at most
7 dB under what the VAE alone gives there for the exact answer. *Changed*, *kept*: what the judge
says of the attributes that were to change, and of all others. *PSNR*, *SSIM*: to the exact answer,
in dB and 0–1; *inside*, *outside*: PSNR where the exact answer differs from the source, and
elsewhere. *Recon.*: PSNR of the source as the method gives it back. *s*, *UNet*, *backward*:
seconds, UNet rows forward and rows backward, a picture. ± is half the bootstrapped 95 % interval
({resamples} resamples of the edits); equal pictures count as 60 dB."""


def kinds(rows: Rows) -> list[str]:
    """All edits together, then each kind in the order it comes."""
    return [ALL, *dict.fromkeys(row.task.kind for row in next(iter(rows.values())))]


def of_kind(rows: Sequence[Row], kind: str) -> list[Row]:
    """The rows of a kind, or all."""
    return [row for row in rows if kind in (ALL, row.task.kind)]


def summary(rows: Rows) -> dict[str, dict[str, dict[str, Interval | None]]]:
    """kind → method → figure → mean and interval."""
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


def against(rows: Rows, reference: str = OURS) -> dict[str, dict[str, dict[str, Interval | None]]]:
    """kind → method → figure → the reference's mean less the method's, edit by edit."""
    return {
        kind: {
            name: {
                column.name: paired(
                    [column.value(row) for row in of_kind(rows[reference], kind)],
                    [column.value(row) for row in of_kind(own, kind)],
                )
                for column in COLUMNS[:2] + COLUMNS[3:5]
            }
            for name, own in rows.items()
            if name != reference
        }
        for kind in kinds(rows)
    }


def plain(value: Any) -> Any:
    """Intervals as JSON has them."""
    if isinstance(value, Interval):
        return {k: round(v, 5) if isinstance(v, float) else v for k, v in asdict(value).items()}
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    return value


def table(figures: Mapping[str, Mapping[str, Interval | None]], titles: Mapping[str, str]) -> str:
    """Markdown, a method a line."""
    lines = [
        "| method | " + " | ".join(column.head for column in COLUMNS) + " |",
        "|---" * (len(COLUMNS) + 1) + "|",
    ]
    lines += [
        f"| {titles[name]} | " + " | ".join(_cell(own[c.name], c) for c in COLUMNS) + " |"
        for name, own in figures.items()
    ]
    return "\n".join(lines)


def _cell(interval: Interval | None, column: Column) -> str:
    if interval is None:
        return "–"
    mean = column.form(interval.mean)
    if column.name in COST:
        return mean
    half = (interval.high - interval.low) / 2
    return f"{mean} ±{column.form(half)}"


def difference_table(
    figures: Mapping[str, Mapping[str, Interval | None]], titles: Mapping[str, str]
) -> str:
    """Markdown: how far the reference is ahead of each method, with the interval's ends."""
    names = list(next(iter(figures.values()))) if figures else []
    heads = [column.head for column in COLUMNS if column.name in names]
    lines = ["| against | " + " | ".join(heads) + " |", "|---" * (len(names) + 1) + "|"]
    for name, own in figures.items():
        cells = [_signed(own[figure]) for figure in names]
        lines.append(f"| {titles[name]} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _signed(interval: Interval | None) -> str:
    if interval is None:
        return "–"
    apart = "**" if interval.low > 0 or interval.high < 0 else ""
    return f"{apart}{interval.mean:+.2f}{apart} ({interval.low:+.2f} … {interval.high:+.2f})"
