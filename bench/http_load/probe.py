"""Whether the event loop stays free while large pictures are decoded."""

import asyncio
import time
from dataclasses import dataclass

import httpx

from bench.http_load.load import clients_of, posting
from bench.http_load.running import Service
from bench.http_load.timing import Times

PAUSE = 0.01  # seconds between two probes


@dataclass(frozen=True)
class Probe:
    """GET /healthz, which needs the event loop and nothing else."""

    megapixels: float
    megabytes: float
    at_once: int
    quiet: Times
    decoding: Times
    posts: Times  # of those pictures


async def measure_probe(
    service: Service, image: bytes, *, megapixels: float, at_once: int, seconds: float
) -> Probe:
    """Probe a quiet service, then one that is sent large pictures all the time."""
    quiet = await _probing(service, asyncio.create_task(asyncio.sleep(seconds)))
    ask = posting(image)
    posts: list[float] = []
    until = time.perf_counter() + seconds

    async def send(client: httpx.AsyncClient) -> None:
        while time.perf_counter() < until:
            started = time.perf_counter()
            (await ask(client)).raise_for_status()
            posts.append(time.perf_counter() - started)

    async with clients_of(service, at_once) as sending, asyncio.TaskGroup() as group:
        tasks = [group.create_task(send(client)) for client in sending]
        decoding = await _probing(service, group.create_task(_all(tasks)))
    size = len(image) / 1e6
    return Probe(megapixels, size, at_once, quiet, decoding, Times.of(posts))


async def _all(tasks: list[asyncio.Task[None]]) -> None:
    await asyncio.wait(tasks)


async def _probing(service: Service, meanwhile: "asyncio.Task[None]") -> Times:
    """Probes from a thread, so that what the clients send does not delay them."""

    def probe() -> list[float]:
        times: list[float] = []
        with httpx.Client(base_url=service.url, trust_env=False, timeout=60) as client:
            client.get("/healthz").raise_for_status()
            while not times or not meanwhile.done():
                started = time.perf_counter()
                client.get("/healthz").raise_for_status()
                times.append(time.perf_counter() - started)
                time.sleep(PAUSE)
        return times

    return Times.of(await asyncio.to_thread(probe))
