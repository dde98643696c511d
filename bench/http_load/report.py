"""A run as a page and as JSON."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.http_load.load import Load
from bench.http_load.probe import Probe
from bench.http_load.streams import Fan
from bench.http_load.timing import Times
from bench.speed.spread import table

PROMISE_MS = 1000.0  # no request takes longer, except those that wait


@dataclass(frozen=True)
class Report:
    """Everything that was measured, and where."""

    command: str
    machine: str
    cores: int
    load: float  # processes that ran or waited on average in the minute before
    versions: str
    image: str  # that was posted
    seconds: float  # that each row of requests was asked for
    loads: list[Load]
    fans: list[Fan]
    probe: Probe

    @property
    def slowest(self) -> tuple[str, float]:
        """The slowest request that is not a wait, and its milliseconds."""
        found = [(f"{one.what}, {_clients(one.clients)}", one.times.most) for one in self.loads]
        found += [
            (f"opening one of {one.streams} event streams", one.opened.most) for one in self.fans
        ]
        return max(found, key=lambda one: one[1])


def write(path: Path, report: Report) -> None:
    """Write PATH.md and PATH.json."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(asdict(report), indent=1, ensure_ascii=False)
    path.with_name(path.name + ".json").write_text(text + "\n", "utf-8")
    path.with_name(path.name + ".md").write_text(page(report), "utf-8")


def page(report: Report) -> str:
    """The page in Markdown."""
    parts = [
        "# The front door",
        f"`{report.command}`",
        _conditions(report),
        f"## Requests\n\n{_loads(report)}",
        f"## Event streams\n\n{_fans(report.fans)}",
        f"## The event loop\n\n{_probe(report.probe)}",
    ]
    return "\n\n".join(parts) + "\n"


def _conditions(report: Report) -> str:
    return (
        f"{report.machine}, {report.cores} cores, which the API (one process), Valkey and the "
        "clients share with each other and with whatever else ran: load average "
        f"{report.load:.1f} when it began. {report.versions}. No worker: edits stay queued. Every "
        "request carries a key, which is looked up and counted. Milliseconds as the clients see "
        "them, who are in one process and need a part of the cores themselves."
    )


def _loads(report: Report) -> str:
    rows = [
        [
            *(one.what, one.clients, one.times.count, f"{one.per_second:.0f}"),
            *(*_ms(one.times), f"{one.cpu_ms:.1f}"),
        ]
        for one in report.loads
    ]
    head = ["request", "clients", "requests", "a second", "p50", "p99", "slowest", "CPU"]
    what, ms = report.slowest
    kept = "none took over a second" if ms <= PROMISE_MS else "some took over a second"
    return (
        f"{table(head, rows)}\n\nEach client asks again as soon as it is answered, for "
        f"{report.seconds:g} s. CPU: what the API computes for each, in all threads and in the "
        "processes that decode. "
        "GET is of queued and finished edits in turn, POST is a form with "
        f"{report.image}. Slowest request that is not a wait: {ms:.0f} ms ({what}); {kept}."
    )


def _fans(fans: list[Fan]) -> str:
    rows = [
        [
            *(one.streams, *_ms(one.heard)[:2], *_ms(one.last)[:2], f"{one.opened.most:.0f}"),
            *(f"{one.mib_before:.0f}", f"{one.mib_open:.0f}", f"{_kib_each(one):.0f}"),
        ]
        for one in fans
    ]
    head = ["streams", "heard p50", "p99", "by all p50", "p99", "slowest to open"]
    head += ["MiB before", "MiB open", "KiB a stream"]
    return (
        f"{table(head, rows)}\n\nAll streams are of one running edit. From just before a worker's "
        "report to each stream's event, and to the last one's. Resident memory of the API's "
        "process; what is freed in one row is used again in the next."
    )


def _kib_each(fan: Fan) -> float:
    return max(0.0, fan.mib_open - fan.mib_before) * 1024 / fan.streams


def _probe(probe: Probe) -> str:
    rows = [["nothing", *_ms(probe.quiet)], ["decoding", *_ms(probe.decoding)]]
    head = ["GET /healthz beside", "p50", "p99", "slowest"]
    return (
        f"{table(head, rows)}\n\nDecoding: JPEGs of {probe.megapixels:g} megapixels "
        f"({probe.megabytes:.1f} MB), {probe.at_once} at once, one after another; each POST took "
        f"{probe.posts.p50:.0f} ms (p50), {probe.posts.most:.0f} at most."
    )


def _ms(times: Times) -> list[str]:
    return [f"{ms:.3g}" if ms < 100 else f"{ms:.0f}" for ms in (times.p50, times.p99, times.most)]


def _clients(count: int) -> str:
    return f"{count} client{'s' if count > 1 else ''}"
