"""`Idempotency-Key`: a POST that is sent again makes no second edit and gets the first answer."""

import asyncio
import hashlib
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Request
from starlette.concurrency import run_in_threadpool

from api.problems.errors import InvalidRequest
from api.server.headers import IDEMPOTENCY_KEY
from api.services import Services
from api.submission.answer import PostAnswer
from api.submission.parsing import ParsedSubmission
from core.errors import StoreUnavailable
from core.store.idempotency import LOCK_SECONDS, IdempotencyLock, Replay

KEY_PATTERN = r"[\x20-\x7e]{1,255}"


async def idempotency_key(request: Request) -> str | None:
    """Return the request's key, if it has one. Async: FastAPI runs plain functions in a thread.

    Raises:
        InvalidRequest: the key is empty, too long or not ASCII.
    """
    key = request.headers.get(IDEMPOTENCY_KEY)
    if key is not None and not re.fullmatch(KEY_PATTERN, key):
        raise InvalidRequest(f"{IDEMPOTENCY_KEY} takes 1 to 255 ASCII characters.")
    return key


IdempotencyKeyDep = Annotated[str | None, Depends(idempotency_key)]


@dataclass
class IdempotentPost:
    """A POST in progress: one without a key, the first with its key, or a repetition."""

    lock: IdempotencyLock | None = None  # held by the first request with a key
    edit_id: str | None = None  # of a repetition: the edit that the first request created
    answer: PostAnswer | None = None  # of a repetition: the first answer, if there is one yet
    replayed: bool = False


@asynccontextmanager
async def idempotent(
    services: Services, *, owner: str, key: str | None, parsed: ParsedSubmission
) -> AsyncIterator[IdempotentPost]:
    """Hold the key inside; on leaving, store the answer that was set on the yielded object.

    An error inside, before an edit is accepted, releases the key.

    Raises:
        IdempotencyMismatch, IdempotencyInProgress: the key belongs to another request.
        EditDeleted, EditExpired: the edit that was made under the key is gone.
        StoreDamaged: the first answer cannot be read.
    """
    body = await run_in_threadpool(fingerprint, parsed) if key is not None else ""
    async with locked(services, owner=owner, key=key, body=body) as outcome:
        if isinstance(outcome, Replay):
            answer = await run_in_threadpool(_first_answer, services, owner, outcome)
            yield IdempotentPost(edit_id=outcome.id, answer=answer, replayed=True)
            return
        post = IdempotentPost(lock=outcome)
        yield post
    if outcome is not None and post.answer is not None:
        with suppress(StoreUnavailable):  # then repetitions are answered with the edit as it is
            reply = post.answer.stored()
            await run_in_threadpool(services.idempotency.store_reply, outcome, reply)


@asynccontextmanager
async def locked(
    services: Services, *, owner: str, key: str | None, body: str
) -> AsyncIterator[IdempotencyLock | Replay | None]:
    """Hold a key while the block runs, and release it if the block fails; yield None without a key.

    A key that has been used is not held: what it made is yielded.

    Args:
        services: of the application.
        owner: whose key it is.
        key: as the client sent it.
        body: a hash of the request.

    Raises:
        IdempotencyMismatch, IdempotencyInProgress: the key belongs to another request.
        EditDeleted, EditExpired: what was made under the key is gone.
    """
    outcome = None
    if key is not None:
        outcome = await run_in_threadpool(services.idempotency.acquire, owner, key, body=body)
    if not isinstance(outcome, IdempotencyLock):
        yield outcome
        return
    renewal = asyncio.create_task(_renew(services, outcome))
    try:
        yield outcome
    except BaseException:
        with suppress(StoreUnavailable):  # then the key expires by itself
            await run_in_threadpool(services.idempotency.release, outcome)
        raise
    finally:
        renewal.cancel()


def _first_answer(services: Services, owner: str, replay: Replay) -> PostAnswer | None:
    if replay.reply is None:
        return None
    record = services.store.get(replay.id, caller=owner)
    return PostAnswer.again(services, record, replay.reply)


async def _renew(services: Services, lock: IdempotencyLock) -> None:
    while True:
        await asyncio.sleep(LOCK_SECONDS / 3)
        with suppress(StoreUnavailable):
            await run_in_threadpool(services.idempotency.renew, lock)


def fingerprint(parsed: ParsedSubmission) -> str:
    """Return a hash of a body's fields and file, independent of how the body was written."""
    fields = parsed.fields.model_dump(mode="json", exclude_defaults=True)
    upload = hashlib.sha256(parsed.upload).hexdigest() if parsed.upload is not None else None
    body: list[Any] = [fields, upload]
    if (parsed.variations, parsed.size) != (1, None):
        body += [parsed.variations, parsed.size]
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
