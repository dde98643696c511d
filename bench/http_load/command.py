"""`python -m bench.http_load`: what a request costs before any edit is made.

Starts the API and a Valkey of its own, with a model announced and no worker; measures requests by
1, 10 and 100 clients, event streams and the event loop; writes http-load.md and .json into the
folder of --out. About three minutes.
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

from bench.common.processor import processor_name
from bench.http_load import report
from bench.http_load.images import LARGE, PHOTO, jpeg, jpeg_of
from bench.http_load.load import Ask, Load, getting, measure, posting
from bench.http_load.probe import measure_probe
from bench.http_load.running import Service, running_service
from bench.http_load.streams import Fan, measure_fan

NAME = "front-door"
EDITS = 20  # that GET asks for in turn, half of them finished
# A miniature is no result: it stays out of the docs unless it is sent there.
QUICK = {
    "clients": (1, 2),
    "streams": (1, 5),
    "seconds": 0.5,
    "events": 2,
    "out": Path("data/bench/front-door"),
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
        tempfile.TemporaryDirectory(prefix="baret-front-door-") as data,
        running_service(Path(data)) as service,
    ):
        told = asyncio.run(_measure(service, arguments, command=command, load=load))
    report.write(arguments.out / NAME, told)
    print(report.page(told), flush=True)
    print(f"Written: {arguments.out / NAME}.md")


async def _measure(
    service: Service, arguments: argparse.Namespace, *, command: str, load: float
) -> report.Report:
    large = jpeg((800, 500) if arguments.quick else LARGE, quality=70, coarse=8)
    photo = jpeg_of((800, 600) if arguments.quick else PHOTO, 2**20)
    post = posting(photo)
    ids = await _edits(service, post, photo)
    fans = await _fans(service, post, arguments)
    size = LARGE[0] * LARGE[1] / 1e6
    return report.Report(
        command=command,
        machine=processor_name(),
        cores=os.cpu_count() or 1,
        load=load,
        versions=_versions(),
        image=f"a JPEG of {len(photo) / 2**20:.2f} MiB",
        seconds=arguments.seconds,
        fans=fans,
        loads=await _loads(service, {"GET": getting(ids), "POST": post}, arguments),
        probe=await measure_probe(
            service,
            large,
            megapixels=0.4 if arguments.quick else size,
            at_once=4,
            seconds=arguments.seconds,
        ),
    )


async def _edits(service: Service, post: Ask, output: bytes) -> list[str]:
    """Ids of edits, queued and finished in turn."""
    async with service.client() as client:
        ids = [(await post(client)).raise_for_status().json()["id"] for _ in range(EDITS)]
    done = [await asyncio.to_thread(service.finish_one, output) for _ in range(EDITS // 2)]
    return [edit_id for pair in zip(done, ids[EDITS // 2 :], strict=True) for edit_id in pair]


async def _fans(service: Service, post: Ask, arguments: argparse.Namespace) -> list[Fan]:
    fans = []
    for streams in arguments.streams:
        claim = await asyncio.to_thread(service.claim)
        fans.append(await measure_fan(service, claim, streams=streams, events=arguments.events))
    return fans


async def _loads(
    service: Service, asked: dict[str, Ask], arguments: argparse.Namespace
) -> list[Load]:
    return [
        await measure(service, what, ask, clients=clients, seconds=arguments.seconds)
        for what, ask in asked.items()
        for clients in arguments.clients
    ]


def _versions() -> str:
    names = ("fastapi", "uvicorn", "redis", "pillow")
    told = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in names)
    return f"Python {platform.python_version()}, {told}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench.http_load",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--clients", type=_numbers, default=(1, 10, 100), help="1,10,100")
    parser.add_argument("--streams", type=_numbers, default=(500, 1, 10, 100), help="500,1,10,100")
    parser.add_argument("--seconds", type=float, default=10.0, help="that each row takes")
    parser.add_argument("--events", type=int, default=20, help="reported to each row's streams")
    parser.add_argument("--quick", action="store_true", help="some seconds, small pictures")
    parser.add_argument("--out", type=Path, default=Path("docs/benchmarks"))
    return parser


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))
