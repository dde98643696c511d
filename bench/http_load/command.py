"""`python -m bench.http_load`: measure the cost of requests before any edit is made.

Starts the API and a Valkey, with an announced model but without a worker. Measures requests by 1,
10 and 100 clients, event streams and the event loop, and writes http-load.md and .json into the
folder of --out. Takes about three minutes.
"""

import argparse
import asyncio
import importlib.metadata
import os
import platform
import shlex
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench.common.arguments import positive_list
from bench.common.processor import processor_name
from bench.http_load import report
from bench.http_load.images import LARGE, PHOTO, jpeg, jpeg_of
from bench.http_load.load import Load, SendRequest, getting, measure, posting
from bench.http_load.probe import measure_probe
from bench.http_load.service import Service, running_service
from bench.http_load.streams import FanOut, measure_fan_out

NAME = "http-load"
EDITS = 20  # requested by GET in turn, half of them finished
# Quick figures are not results, so they are not written into docs/ by default.
QUICK = {
    "clients": (1, 2),
    "streams": (1, 5),
    "seconds": 0.5,
    "events": 2,
    "out": Path("data/bench/http-load"),
}


def main(given: Sequence[str] | None = None) -> None:
    """Run the command."""
    given = sys.argv[1:] if given is None else given
    parser = _parser()
    if parser.parse_args(given).quick:
        parser.set_defaults(**QUICK)
    arguments = parser.parse_args(given)
    command = shlex.join(["python", "-m", "bench.http_load", *given])
    load = os.getloadavg()[0]
    with (
        tempfile.TemporaryDirectory(prefix="baret-http-load-") as data,
        running_service(Path(data)) as service,
    ):
        measured = asyncio.run(_measure(service, arguments, command=command, load=load))
    report.write(arguments.out / NAME, measured)
    print(report.page(measured), flush=True)
    print(f"Written: {arguments.out / NAME}.md")


async def _measure(
    service: Service, arguments: argparse.Namespace, *, command: str, load: float
) -> report.Report:
    large = jpeg((800, 500) if arguments.quick else LARGE, quality=70, coarse=8)
    photo = jpeg_of((800, 600) if arguments.quick else PHOTO, 2**20)
    post = posting(photo)
    ids = await _edits(service, post, photo)
    streams = await _streams(service, post, arguments)
    size = LARGE[0] * LARGE[1] / 1e6
    return report.Report(
        command=command,
        machine=processor_name(),
        cores=os.cpu_count() or 1,
        load=load,
        versions=_versions(),
        image=f"a JPEG of {len(photo) / 2**20:.2f} MiB",
        seconds=arguments.seconds,
        streams=streams,
        loads=await _loads(service, {"GET": getting(ids), "POST": post}, arguments),
        probe=await measure_probe(
            service,
            large,
            megapixels=0.4 if arguments.quick else size,
            at_once=4,
            seconds=arguments.seconds,
        ),
    )


async def _edits(service: Service, post: SendRequest, output: bytes) -> list[str]:
    """Make edits, and return the ids of queued and finished ones in turn."""
    async with service.client() as client:
        ids = [(await post(client)).raise_for_status().json()["id"] for _ in range(EDITS)]
    done = [await asyncio.to_thread(service.finish_one, output) for _ in range(EDITS // 2)]
    return [edit_id for pair in zip(done, ids[EDITS // 2 :], strict=True) for edit_id in pair]


async def _streams(
    service: Service, post: SendRequest, arguments: argparse.Namespace
) -> list[FanOut]:
    measured = []
    for count in arguments.streams:
        claim = await asyncio.to_thread(service.claim)
        measured.append(
            await measure_fan_out(service, claim, streams=count, events=arguments.events)
        )
    return measured


async def _loads(
    service: Service, requests: dict[str, SendRequest], arguments: argparse.Namespace
) -> list[Load]:
    return [
        await measure(service, what, send, clients=clients, seconds=arguments.seconds)
        for what, send in requests.items()
        for clients in arguments.clients
    ]


def _versions() -> str:
    names = ("fastapi", "uvicorn", "redis", "pillow")
    packages = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in names)
    return f"Python {platform.python_version()}, {packages}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench.http_load",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--clients",
        type=positive_list,
        default=(1, 10, 100),
        help="numbers of clients, default 1,10,100",
    )
    parser.add_argument(
        "--streams",
        type=positive_list,
        default=(500, 1, 10, 100),
        help="numbers of streams, default 500,1,10,100",
    )
    parser.add_argument(
        "--seconds", type=float, default=10.0, help="duration of each row of requests"
    )
    parser.add_argument(
        "--events", type=int, default=20, help="events reported to the streams of each row"
    )
    parser.add_argument("--quick", action="store_true", help="a few seconds, small images")
    parser.add_argument(
        "--out", type=Path, default=Path("docs/benchmarks"), help="folder of the report"
    )
    return parser
