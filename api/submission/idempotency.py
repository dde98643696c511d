"""`Idempotency-Key`: a POST that is sent again makes no second edit and gets the first answer."""

import asyncio
import hashlib
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse
from pydantic import TypeAdapter, ValidationError
from starlette.concurrency import run_in_threadpool

from api.problems.errors import InvalidRequest
from api.services import Services
from api.submission.parsing import ParsedSubmission
from core.errors import StoreDamaged, StoreUnavailable
from core.store.idempotency import TAKING_SECONDS, IdempotencyLock, Replay

HEADER = "Idempotency-Key"
REPLAYED = "Idempotent-Replayed"
FORM = r"[\x20-\x7e]{1,255}"


@dataclass(frozen=True)
class Answer:
    """What a POST was answered, in a form that can be kept."""

    status: int
    headers: dict[str, str]
    body: dict[str, Any]

    def response(self, *, replayed: bool) -> JSONResponse:
        """The answer as it is sent."""
        extra = {REPLAYED: "true"} if replayed else {}
        return JSONResponse(self.body, self.status, {**self.headers, **extra})


_ANSWER = TypeAdapter(Answer)


@dataclass(frozen=True)
class Attempt:
    """A POST with or without a key: one that holds it, or one that repeats another."""

    lock: IdempotencyLock | None = None
    replay: Replay | None = None

    @property
    def answer(self) -> Answer | None:
        """The first answer, where this repeats one that was given."""
        if self.replay is None or self.replay.answer is None:
            return None
        try:
            return _ANSWER.validate_python(self.replay.answer)
        except ValidationError as error:
            raise StoreDamaged("The first answer is damaged; use a new Idempotency-Key.") from error


def key_of(request: Request) -> str | None:
    """The request's key.

    Raises:
        InvalidRequest: it is none that can be told from others.
    """
    key = request.headers.get(HEADER)
    if key is not None and not re.fullmatch(FORM, key):
        raise InvalidRequest(f"{HEADER} takes 1 to 255 ASCII characters.")
    return key


@asynccontextmanager
async def attempt(
    services: Services, *, caller: str, key: str | None, parsed: ParsedSubmission
) -> AsyncIterator[Attempt]:
    """Hold the key while inside; what goes wrong there, before an edit is accepted, frees it.

    Raises:
        IdempotencyMismatch, IdempotencyInProgress: the key belongs to another request.
    """
    if key is None:
        yield Attempt()
        return
    body = await run_in_threadpool(fingerprint, parsed)
    found = await run_in_threadpool(services.idempotency.acquire, caller, key, body=body)
    if isinstance(found, Replay):
        yield Attempt(replay=found)
        return
    renewal = asyncio.create_task(_renew(services, found))
    try:
        yield Attempt(lock=found)
    except BaseException:
        with suppress(StoreUnavailable):  # then the key frees itself after a while
            await run_in_threadpool(services.idempotency.release, found)
        raise
    finally:
        renewal.cancel()


async def _renew(services: Services, lock: IdempotencyLock) -> None:
    while True:
        await asyncio.sleep(TAKING_SECONDS / 3)
        with suppress(StoreUnavailable):
            await run_in_threadpool(services.idempotency.renew, lock)


async def store_response(services: Services, lock: IdempotencyLock, answer: Answer) -> None:
    """Note the answer. Where that fails, the edit itself answers those that repeat the request."""
    with suppress(StoreUnavailable):
        await run_in_threadpool(services.idempotency.store_response, lock, vars(answer))


def fingerprint(parsed: ParsedSubmission) -> str:
    """A hash of what a body asks for: its fields and its file, not how they were put together."""
    fields = parsed.fields.model_dump(mode="json", exclude_defaults=True)
    upload = hashlib.sha256(parsed.upload).hexdigest() if parsed.upload is not None else None
    return hashlib.sha256(json.dumps([fields, upload], sort_keys=True).encode()).hexdigest()
