"""Clients that ask again as soon as they are answered."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import httpx

from bench.http_load.running import Service
from bench.http_load.timing import Times

FORM = {"prompt": "a photo of a brown dog jumping on grass"}

Ask = Callable[[httpx.AsyncClient], Awaitable[httpx.Response]]


@dataclass(frozen=True)
class Load:
    """What so many clients at once were answered in."""

    what: str
    clients: int
    per_second: float
    cpu_ms: float  # of the API's process, for each
    times: Times


@asynccontextmanager
async def clients_of(service: Service, count: int) -> AsyncIterator[list[httpx.AsyncClient]]:
    """So many clients, each with its connection."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(service.client()) for _ in range(count)]


async def measure(service: Service, what: str, ask: Ask, *, clients: int, seconds: float) -> Load:
    """Let the clients ask for so long; what is under way at the end is waited for.

    Raises:
        httpx.HTTPStatusError: an answer was an error.
    """
    async with clients_of(service, clients) as asking:
        for client in asking:  # connections are made before
            (await client.get("/healthz")).raise_for_status()
        spent, started = service.cpu_seconds, time.perf_counter()
        found = await asyncio.gather(*(_asks(one, ask, started + seconds) for one in asking))
        during, spent = time.perf_counter() - started, service.cpu_seconds - spent
    times = list(itertools.chain(*found))
    count = len(times)
    return Load(what, clients, count / during, 1000 * spent / count, Times.of(times))


async def _asks(client: httpx.AsyncClient, ask: Ask, until: float) -> list[float]:
    times: list[float] = []
    while not times or time.perf_counter() < until:
        started = time.perf_counter()
        answer = await ask(client)
        times.append(time.perf_counter() - started)
        answer.raise_for_status()
    return times


def getting(ids: Sequence[str]) -> Ask:
    """GET of these edits in turn."""
    turn = itertools.cycle(ids)
    return lambda client: client.get(f"/v1/edits/{next(turn)}")


def posting(image: bytes) -> Ask:
    """POST of a picture as a form; put together once, so that clients spend little on it."""
    form = httpx.Request("POST", "http://form", data=FORM, files={"image": ("a.jpg", image)})
    body, headers = form.read(), {"Content-Type": form.headers["Content-Type"]}
    return lambda client: client.post("/v1/edits", content=body, headers=headers)
