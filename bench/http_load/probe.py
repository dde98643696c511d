"""Whether the event loop stays free while large images are decoded."""

import asyncio
import time
from dataclasses import dataclass

import httpx

from bench.http_load.latency import LatencySummary
from bench.http_load.load import clients_of, posting
from bench.http_load.service import Service

PAUSE = 0.01  # seconds between two probes


@dataclass(frozen=True)
class Probe:
    """The latencies of GET /healthz, which needs only the event loop."""

    megapixels: float
    megabytes: float
    at_once: int
    quiet: LatencySummary
    decoding: LatencySummary
    posts: LatencySummary  # of the large images


async def measure_probe(
    service: Service, image: bytes, *, megapixels: float, at_once: int, seconds: float
) -> Probe:
    """Probe an idle service, then one that receives large images all the time."""
    quiet = await _probe_during(service, asyncio.create_task(asyncio.sleep(seconds)))
    post = posting(image)
    posts: list[float] = []
    end = time.perf_counter() + seconds

    async def send(client: httpx.AsyncClient) -> None:
        while time.perf_counter() < end:
            started = time.perf_counter()
            (await post(client)).raise_for_status()
            posts.append(time.perf_counter() - started)

    async with clients_of(service, at_once) as sending, asyncio.TaskGroup() as group:
        tasks = [group.create_task(send(client)) for client in sending]
        decoding = await _probe_during(service, group.create_task(_wait_for_all(tasks)))
    size = len(image) / 1e6
    return Probe(megapixels, size, at_once, quiet, decoding, LatencySummary.of(posts))


async def _wait_for_all(tasks: list[asyncio.Task[None]]) -> None:
    await asyncio.wait(tasks)


async def _probe_during(service: Service, task: "asyncio.Task[None]") -> LatencySummary:
    """Probe from a thread, so that the clients' own work does not delay the probes."""

    def probe() -> list[float]:
        times: list[float] = []
        with httpx.Client(base_url=service.url, trust_env=False, timeout=60) as client:
            client.get("/healthz").raise_for_status()
            while not times or not task.done():
                started = time.perf_counter()
                client.get("/healthz").raise_for_status()
                times.append(time.perf_counter() - started)
                time.sleep(PAUSE)
        return times

    return LatencySummary.of(await asyncio.to_thread(probe))
