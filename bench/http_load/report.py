"""The report of a run, as a page and as JSON."""

from dataclasses import asdict, dataclass
from pathlib import Path

from bench.common.files import write_report
from bench.common.markdown import table
from bench.http_load.latency import LatencySummary
from bench.http_load.load import Load
from bench.http_load.probe import Probe
from bench.http_load.streams import FanOut

TARGET_MS = 1000.0  # no request should take longer, except those that wait


@dataclass(frozen=True)
class Report:
    """All measurements and their conditions."""

    command: str
    machine: str
    cores: int
    load: float  # average number of running or waiting processes in the minute before
    versions: str
    image: str  # the posted one
    seconds: float  # duration of each row of requests
    loads: list[Load]
    streams: list[FanOut]
    probe: Probe

    @property
    def slowest(self) -> tuple[str, float]:
        """The slowest request that does not wait for an edit, and its milliseconds."""
        slowest = [
            (f"{load.what}, {_clients(load.clients)}", load.times.max) for load in self.loads
        ]
        slowest += [
            (f"opening one of {fan_out.streams} event streams", fan_out.opened.max)
            for fan_out in self.streams
        ]
        return max(slowest, key=lambda pair: pair[1])


def write(path: Path, report: Report) -> None:
    """Write PATH.md and PATH.json."""
    write_report(path, asdict(report), page(report))


def page(report: Report) -> str:
    """Return the page in Markdown."""
    parts = [
        "# HTTP load",
        f"`{report.command}`",
        _conditions(report),
        f"## Requests\n\n{_loads(report)}",
        f"## Event streams\n\n{_streams(report.streams)}",
        f"## The event loop\n\n{_probe(report.probe)}",
    ]
    return "\n\n".join(parts) + "\n"


def _conditions(report: Report) -> str:
    return (
        f"{report.machine}, {report.cores} cores, which the API (one process), Valkey and the "
        f"clients share with everything else on the machine; load average {report.load:.1f} at "
        f"the start. {report.versions}. There is no worker, so edits stay queued. Every request "
        "carries an API key, which is looked up and counted. Milliseconds are measured by the "
        "clients, which run in one process and use part of the cores."
    )


def _loads(report: Report) -> str:
    rows = [
        [
            *(load.what, load.clients, load.times.count, f"{load.per_second:.0f}"),
            *(*_ms(load.times), f"{load.cpu_ms:.1f}"),
        ]
        for load in report.loads
    ]
    head = ["request", "clients", "requests", "per second", "p50", "p99", "slowest", "CPU"]
    what, ms = report.slowest
    verdict = "none took over a second" if ms <= TARGET_MS else "some took over a second"
    return (
        f"{table(head, rows)}\n\nFor {report.seconds:g} s, each client sends its next request "
        "as soon as it has a response. CPU is the API's time per request, in all threads and in "
        "the processes that decode images. GET reads queued and finished edits in turn; POST sends "
        f"a form with {report.image}. Slowest request that does not wait for an edit: {ms:.0f} ms "
        f"({what}); {verdict}."
    )


def _streams(streams: list[FanOut]) -> str:
    rows = [
        [
            *(row.streams, *_ms(row.received)[:2], *_ms(row.last)[:2], f"{row.opened.max:.0f}"),
            *(f"{row.mib_before:.0f}", f"{row.mib_open:.0f}", f"{_kib_per_stream(row):.0f}"),
        ]
        for row in streams
    ]
    head = ["streams", "received p50", "p99", "by the last p50", "p99", "slowest to open"]
    head += ["MiB before", "MiB open", "KiB per stream"]
    return (
        f"{table(head, rows)}\n\nAll streams follow one running edit. Latencies run from just "
        "before a worker's report until each stream, and until the last stream, receives the "
        "event. Memory is the resident memory of the API's process; memory freed in one row is "
        "reused in the next."
    )


def _kib_per_stream(row: FanOut) -> float:
    return max(0.0, row.mib_open - row.mib_before) * 1024 / row.streams


def _probe(probe: Probe) -> str:
    rows = [["nothing", *_ms(probe.quiet)], ["decoding", *_ms(probe.decoding)]]
    head = ["GET /healthz during", "p50", "p99", "slowest"]
    return (
        f"{table(head, rows)}\n\n*Decoding*: {probe.at_once} clients send JPEGs of "
        f"{probe.megapixels:g} megapixels ({probe.megabytes:.1f} MB) back to back; each POST took "
        f"{probe.posts.p50:.0f} ms (p50), at most {probe.posts.max:.0f} ms."
    )


def _ms(times: LatencySummary) -> list[str]:
    return [f"{ms:.3g}" if ms < 100 else f"{ms:.0f}" for ms in (times.p50, times.p99, times.max)]


def _clients(count: int) -> str:
    return f"{count} client{'s' if count > 1 else ''}"
