"""Event streams: how fast all of them receive an event, and the memory they take."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx

from bench.http_load.latency import LatencySummary
from bench.http_load.service import Service
from core.schema import Stage
from core.store.claims import EVENT_PAUSE_SECONDS, Claim

OPEN_AT_ONCE = 50  # streams


@dataclass
class Stream:
    """One client's stream of an edit's events."""

    opened: float = 0.0  # seconds until the response began
    received: list[float] = field(default_factory=list)  # time of each progress event
    begun: asyncio.Event = field(default_factory=asyncio.Event)  # set by the first event

    async def follow(self, client: httpx.AsyncClient, edit_id: str) -> None:
        """Read events until the stream ends or the task is canceled."""
        started = time.perf_counter()
        async with client.stream("GET", f"/v1/edits/{edit_id}/events") as response:
            self.opened = time.perf_counter() - started
            response.raise_for_status()
            async for line in response.aiter_lines():
                if line.startswith("event:"):
                    self.begun.set()
                if line == "event: progress":
                    self.received.append(time.perf_counter())


@dataclass(frozen=True)
class FanOut:
    """The figures of some streams of one edit."""

    streams: int
    received: LatencySummary  # from just before the report to each stream's event
    last: LatencySummary  # to the last stream's
    opened: LatencySummary  # from each request to the start of its response
    mib_before: float  # the API's resident memory
    mib_open: float  # and with all of them open


async def measure_fan_out(service: Service, claim: Claim, *, streams: int, events: int) -> FanOut:
    """Open the streams of a running edit, report its progress several times, close them."""
    before = service.resident_mib
    async with _open(service, claim.id, streams) as listening:
        for stream in listening:
            stream.received.clear()  # replayed events
        reports = [await _report(service, claim) for _ in range(events)]
        await _wait_until_received(listening, events)
        mib_open = service.resident_mib
    latencies = [
        [at - started for at, started in zip(stream.received, reports, strict=True)]
        for stream in listening
    ]
    return FanOut(
        streams=streams,
        received=LatencySummary.of([seconds for own in latencies for seconds in own]),
        last=LatencySummary.of([max(seconds) for seconds in zip(*latencies, strict=True)]),
        opened=LatencySummary.of([stream.opened for stream in listening]),
        mib_before=before,
        mib_open=mib_open,
    )


@asynccontextmanager
async def _open(service: Service, edit_id: str, count: int) -> AsyncIterator[list[Stream]]:
    """Open streams, yield them once each has received an event, and close them afterwards."""
    listening: list[Stream] = []
    tasks: list[asyncio.Task[None]] = []
    async with service.client(timeout=None) as client:
        try:
            while len(listening) < count:
                fresh = [Stream() for _ in range(min(OPEN_AT_ONCE, count - len(listening)))]
                tasks += [asyncio.create_task(stream.follow(client, edit_id)) for stream in fresh]
                async with asyncio.timeout(60):
                    await asyncio.gather(*(stream.begun.wait() for stream in fresh))
                listening += fresh
            yield listening
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def _report(service: Service, claim: Claim) -> float:
    """Report progress, wait until the next report can cause an event, and return the start."""
    started = time.perf_counter()
    await asyncio.to_thread(service.store.report, claim, Stage.EDITING, 0.5)
    await asyncio.sleep(EVENT_PAUSE_SECONDS + 0.1)
    return started


async def _wait_until_received(listening: list[Stream], events: int) -> None:
    async with asyncio.timeout(60):
        while any(len(stream.received) < events for stream in listening):
            await asyncio.sleep(0.05)
