"""Event streams: how soon all of them hear, and what they hold in memory."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx

from bench.http_load.running import Service
from bench.http_load.timing import Times
from core.schema import Stage
from core.store.claims import EVENT_PAUSE_SECONDS, Claim

TOGETHER = 50  # streams that are opened at once


@dataclass
class Stream:
    """One client's stream of an edit's events."""

    opened: float = 0.0  # seconds until its answer began
    heard: list[float] = field(default_factory=list)  # when each progress event came
    begun: asyncio.Event = field(default_factory=asyncio.Event)  # its first event has come

    async def follow(self, client: httpx.AsyncClient, edit_id: str) -> None:
        """Listen until the stream ends or the task is canceled."""
        started = time.perf_counter()
        async with client.stream("GET", f"/v1/edits/{edit_id}/events") as answer:
            self.opened = time.perf_counter() - started
            answer.raise_for_status()
            async for line in answer.aiter_lines():
                if line.startswith("event:"):
                    self.begun.set()
                if line == "event: progress":
                    self.heard.append(time.perf_counter())


@dataclass(frozen=True)
class Fan:
    """So many streams of one edit."""

    streams: int
    heard: Times  # from just before the report to each stream's event
    last: Times  # to the last stream's
    opened: Times  # from each request to its answer's beginning
    mib_before: float  # the API's resident memory
    mib_open: float  # and with all of them open


async def measure_fan(service: Service, claim: Claim, *, streams: int, events: int) -> Fan:
    """Open the streams of a running edit, report its progress some times, close them."""
    before = service.resident_mib
    async with _open(service, claim.id, streams) as listening:
        for stream in listening:
            stream.heard.clear()  # what was replayed
        told = [await _report(service, claim) for _ in range(events)]
        await _until_heard(listening, events)
        mib_open = service.resident_mib
    each = [
        [at - started for at, started in zip(one.heard, told, strict=True)] for one in listening
    ]
    return Fan(
        streams=streams,
        heard=Times.of([seconds for one in each for seconds in one]),
        last=Times.of([max(seconds) for seconds in zip(*each, strict=True)]),
        opened=Times.of([one.opened for one in listening]),
        mib_before=before,
        mib_open=mib_open,
    )


@asynccontextmanager
async def _open(service: Service, edit_id: str, count: int) -> AsyncIterator[list[Stream]]:
    """All of them, once each has had its first event; closed afterwards."""
    listening: list[Stream] = []
    tasks: list[asyncio.Task[None]] = []
    async with service.client(timeout=None) as client:
        try:
            while len(listening) < count:
                fresh = [Stream() for _ in range(min(TOGETHER, count - len(listening)))]
                tasks += [asyncio.create_task(one.follow(client, edit_id)) for one in fresh]
                async with asyncio.timeout(60):
                    await asyncio.gather(*(one.begun.wait() for one in fresh))
                listening += fresh
            yield listening
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def _report(service: Service, claim: Claim) -> float:
    """Report, and wait until the next report makes an event again: when it began."""
    started = time.perf_counter()
    await asyncio.to_thread(service.store.report, claim, Stage.EDITING, 0.5)
    await asyncio.sleep(EVENT_PAUSE_SECONDS + 0.1)
    return started


async def _until_heard(listening: list[Stream], events: int) -> None:
    async with asyncio.timeout(60):
        while any(len(one.heard) < events for one in listening):
            await asyncio.sleep(0.05)
