"""Feeding batches: their lines become edits a few at a time, as their callers' limits allow.

Runs in every API process, because an edit is accepted there: fetching, decoding and storing its
photo take the same shares as requests do. Redis decides that each line makes one edit
(`core.store.batches`), so processes may start, stop and die at any time.
"""

import asyncio
import json
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

from starlette.concurrency import run_in_threadpool

from api.auth import Caller
from api.problems.errors import ApiError, Overloaded, RateLimited
from api.problems.handlers import problem_of
from api.problems.types import INTERNAL_ERROR
from api.server.shares import ANONYMOUS
from api.services import Services
from api.submission.accept import Origin, accept_edit
from api.submission.parsing import RawBody, validated
from api.submission.photo import Photo
from core.errors import (
    BatchLineClosed,
    BatchNotFound,
    CoreError,
    DecoderUnavailable,
    KeyRefused,
    NoWorker,
    QuotaExceeded,
    RetryLater,
    StoreUnavailable,
)
from core.images.keys import batch_page, batch_prefix
from core.problems import make_problem
from core.schema import LINES_PER_PAGE, BatchPlace, BatchRecord
from core.store.batches import BatchClaim
from core.telemetry.logs import get_logger

log = get_logger("baret.api")

WINDOW = 32  # edits of a caller's batches that wait or run at once, at most
AT_ONCE = 4  # edits of a batch that are accepted at once, and batches that a process feeds at once
POLL_SECONDS = 0.5  # between two looks for a batch to feed, and two turns of a caller
BLOCKED_SECONDS = 5.0  # until the next turn of a caller whose next edit cannot be queued

# What passes: the line waits. Everything else becomes the line's problem.
_PASSING = (
    *(RetryLater, StoreUnavailable, DecoderUnavailable, NoWorker, QuotaExceeded),
    *(RateLimited, Overloaded),
)


class BatchFeeder:
    """Feeds the batches that are due until it is canceled."""

    def __init__(self, services: Services):
        """Use what accepting an edit needs."""
        self._services = services
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Feed what is due, for as long as the application runs."""
        try:
            while True:
                with suppress(StoreUnavailable):  # the housekeeper logs outages
                    await self._start_due()
                await asyncio.sleep(POLL_SECONDS)
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _start_due(self) -> None:
        while len(self._tasks) < AT_ONCE:
            claim = await run_in_threadpool(self._services.batches.claim)
            if claim is None:
                return
            task = asyncio.create_task(self._take_turn(claim))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _take_turn(self, claim: BatchClaim) -> None:
        """Feed a batch until its window is full or nothing more is accepted; then release it."""
        try:
            record = await run_in_threadpool(self._services.batches.get, claim.batch_id)
            went_on = await self.feed(record, in_flight=claim.in_flight)
            seconds = POLL_SECONDS if went_on else BLOCKED_SECONDS
            release = self._services.batches.release
            await run_in_threadpool(release, record.new.caller, seconds=seconds)
        except (StoreUnavailable, BatchNotFound):
            return  # the claim expires by itself
        except Exception:
            log.exception("a batch could not be fed; it is tried again", batch=claim.batch_id)

    async def feed(self, record: BatchRecord, *, in_flight: int = 0) -> bool:
        """Queue as many of a batch's next edits as its caller's window has room for.

        Args:
            record: of the batch.
            in_flight: how many edits of the caller's batches wait or run.

        Returns:
            False if an edit could not be queued now.

        Raises:
            StoreUnavailable: its lines cannot be read.
        """
        try:
            caller = await run_in_threadpool(self._caller, record)
        except KeyRefused:
            log.warning("canceled a batch: its key is not valid any more", batch=record.new.id)
            await run_in_threadpool(self._services.batches.cancel, record.new.id)
            return True
        room = _window(caller) - in_flight
        origin = Origin(caller, record.new.base_url, _share(caller), _run)
        lines = await run_in_threadpool(self._lines, record, room)
        for first in range(0, len(lines), AT_ONCE):
            some = lines[first : first + AT_ONCE]
            going_on = await asyncio.gather(
                *(self._accept(BatchPlace(record.new.id, n), body, origin) for n, body in some)
            )
            if not all(going_on):
                return False
            await run_in_threadpool(self._services.batches.renew, caller.name)
        return True

    def _caller(self, record: BatchRecord) -> Caller:
        """Return the caller of a batch, with the limits that its key has now.

        Raises:
            KeyRefused: the key was revoked.
        """
        if not record.new.key_id:
            return Caller(record.new.caller)
        key = self._services.keys.get(record.new.key_id)
        self._services.keys.check(key.id)
        limit = key.edits_in_flight or self._services.settings.edits_per_key
        return Caller(record.new.caller, limit, key.id)

    def _lines(self, record: BatchRecord, count: int) -> list[tuple[int, dict[str, Any]]]:
        """Return at most so many of the next lines that have become nothing yet."""
        if count <= 0:
            return []
        batch_id, found = record.new.id, []
        total, from_page = record.new.total, record.next_line // LINES_PER_PAGE
        for first in range(from_page * LINES_PER_PAGE, total, LINES_PER_PAGE):
            numbers = range(first, min(first + LINES_PER_PAGE, total))
            known = self._services.batches.lines(batch_id, numbers)
            open_lines = [n for n, outcome in zip(numbers, known, strict=True) if outcome is None]
            if open_lines:
                texts = self._page(batch_id, first // LINES_PER_PAGE)
                found += [(n, json.loads(texts[n - first])["body"]) for n in open_lines]
            if len(found) >= count:
                break
        return found[:count]

    def _page(self, batch_id: str, page: int) -> list[bytes]:
        data = self._services.images.get(batch_prefix(batch_id), batch_page(page))
        if data is None:
            raise StoreUnavailable("The image storage has lost the lines of a batch.")
        return data.splitlines()

    async def _accept(self, place: BatchPlace, body: dict[str, Any], origin: Origin) -> bool:
        """Accept a line as an edit, or note why it is none. Return whether to go on."""
        services = self._services
        try:
            parsed = await run_in_threadpool(validated, RawBody(body))
            async with services.shares.intake.slot(origin.share):
                await accept_edit(parsed, services, origin=origin, lock=place)
        except BatchLineClosed:
            return False  # the batch ends, or another process was quicker
        except _PASSING as error:
            problem = problem_of(error, prefix=services.settings.public_path)
            with suppress(StoreUnavailable):
                await run_in_threadpool(
                    services.batches.block, place.batch_id, problem.model_dump(exclude_none=True)
                )
            return False
        except (ApiError, CoreError) as error:
            problem = problem_of(error, prefix=services.settings.public_path)
        except Exception:
            log.exception("a line of a batch failed", batch=place.batch_id, line=place.line)
            kind = INTERNAL_ERROR
            problem = make_problem(kind.code, kind.title, status=kind.status, detail=kind.help)
        else:
            return True
        with suppress(StoreUnavailable):  # then the line is tried again
            await run_in_threadpool(
                services.batches.fail_line, place, problem.model_dump(exclude_none=True)
            )
        return True


def _window(caller: Caller) -> int:
    """Return how many edits of a caller's batches may wait or run: half of all that it may have."""
    return min(WINDOW, max(1, caller.max_in_flight // 2)) if caller.max_in_flight else WINDOW


def _share(caller: Caller) -> str:
    return caller.name if caller.name != ANONYMOUS else "batches"


async def _run(work: Coroutine[Any, Any, Photo]) -> Photo:
    return await work
