"""Clients that send their next request as soon as they have a response."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import httpx

from bench.http_load.latency import LatencySummary
from bench.http_load.service import Service

FORM = {"prompt": "a photo of a brown dog jumping on grass"}

SendRequest = Callable[[httpx.AsyncClient], Awaitable[httpx.Response]]


@dataclass(frozen=True)
class Load:
    """The figures of some clients sending requests at once."""

    what: str
    clients: int
    per_second: float
    cpu_ms: float  # of the API, per request
    times: LatencySummary


@asynccontextmanager
async def clients_of(service: Service, count: int) -> AsyncIterator[list[httpx.AsyncClient]]:
    """Open clients, each with its own connections."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(service.client()) for _ in range(count)]


async def measure(
    service: Service, what: str, send: SendRequest, *, clients: int, seconds: float
) -> Load:
    """Let clients send requests for some seconds, and wait for those in flight at the end.

    Raises:
        httpx.HTTPStatusError: a response was an error.
    """
    async with clients_of(service, clients) as clients_open:
        for client in clients_open:  # connect before the measurement
            (await client.get("/healthz")).raise_for_status()
        cpu_before, started = service.cpu_seconds, time.perf_counter()
        times_by_client = await asyncio.gather(
            *(_send_until(started + seconds, client, send) for client in clients_open)
        )
        elapsed, cpu = time.perf_counter() - started, service.cpu_seconds - cpu_before
    times = list(itertools.chain(*times_by_client))
    count = len(times)
    return Load(what, clients, count / elapsed, 1000 * cpu / count, LatencySummary.of(times))


async def _send_until(end: float, client: httpx.AsyncClient, send: SendRequest) -> list[float]:
    times: list[float] = []
    while not times or time.perf_counter() < end:
        started = time.perf_counter()
        response = await send(client)
        times.append(time.perf_counter() - started)
        response.raise_for_status()
    return times


def getting(ids: Sequence[str]) -> SendRequest:
    """Return a GET of these edits in turn."""
    ids_in_turn = itertools.cycle(ids)
    return lambda client: client.get(f"/v1/edits/{next(ids_in_turn)}")


def posting(image: bytes) -> SendRequest:
    """Return a POST of an image as a form, encoded once to save the clients' time."""
    form = httpx.Request("POST", "http://form", data=FORM, files={"image": ("a.jpg", image)})
    body, headers = form.read(), {"Content-Type": form.headers["Content-Type"]}
    return lambda client: client.post("/v1/edits", content=body, headers=headers)
