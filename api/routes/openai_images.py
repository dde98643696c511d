"""Edits in the shape of OpenAI's image API, over the same queue, keys, limits and shares."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, ExitStack, suppress
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from fastapi.sse import KEEPALIVE_COMMENT
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from api.auth import Caller, CallerDep
from api.problems.errors import ApiError
from api.problems.handlers import openai_response, problem_type_of
from api.responses import openai_answer as answers
from api.responses.edit import render_edit
from api.responses.sse import SharedStream
from api.responses.waiting import preferred_wait
from api.routes.openai_description import DESCRIPTION_OF_EDITS
from api.server.admission_slot import leave_admission
from api.server.disconnects import unless_disconnected
from api.server.headers import IDEMPOTENT_REPLAYED, add_headers
from api.server.limits import MAX_IMAGE_WAIT
from api.server.origins import base_url
from api.server.shares import share_of
from api.services import Services, ServicesDep
from api.submission.accept import Origin, accept_edit
from api.submission.idempotency import IdempotencyKeyDep, idempotent
from api.submission.openai_request import ImageEditFields, parse_image_edit
from core.errors import CoreError
from core.problems import make_problem
from core.schema import Record
from core.telemetry.logs import get_logger

log = get_logger("baret.api")

router = APIRouter(prefix="/v1/images", tags=["openai"])

# Tells the official clients, which would send the request again, not to: it would make a new edit.
NO_RETRY = {"X-Should-Retry": "false"}


@dataclass
class _Wait:
    """A request that waits for its edit."""

    request: Request
    services: Services
    caller: Caller
    share: str
    edit_id: str
    is_named: bool  # by an Idempotency-Key, so that it can be sent again
    ended: bool = False

    async def record(self) -> Record:
        """Return the edit as it is now."""
        store = self.services.store
        return await run_in_threadpool(store.get, self.edit_id, caller=self.caller.owner)

    async def leave(self) -> None:
        """Cancel an edit that its client has not waited for, and can never ask for again."""
        if not self.ended and not self.is_named:
            log.info("canceled for a client that has gone", edit=self.edit_id)
            with suppress(CoreError):
                cancel = self.services.store.cancel
                await run_in_threadpool(cancel, self.edit_id, caller=self.caller.owner)


@router.post("/edits", **DESCRIPTION_OF_EDITS)
async def create_image_edit(
    request: Request, services: ServicesDep, caller: CallerDep, key: IdempotencyKeyDep
) -> Response:
    """Create an edit and wait for its images, as clients of OpenAI's API do."""
    share = share_of(request, caller.name)
    leave_admission(request.scope)
    with ExitStack() as held:
        # Taken before the edit is accepted: an edit whose answer nobody may wait for helps nobody.
        await services.shares.streams.acquire(share)
        held.callback(services.shares.streams.release, share)
        edit_id, fields = await _accepted(request, services, caller, key)
        base = base_url(request, services.settings)
        add_headers(request, {"Location": f"{base}/v1/edits/{edit_id}"})
        if key is None:
            add_headers(request, NO_RETRY)
        wait = _Wait(request, services, caller, share, edit_id, key is not None)
        if not fields.stream:
            return await _answer(wait, fields, held)
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        lines, on_end = _events(wait, fields.partial_images), held.pop_all().close
        return _Stream(
            lines, wait=wait, on_end=on_end, media_type="text/event-stream", headers=headers
        )


async def _accepted(
    request: Request, services: Services, caller: Caller, key: str | None
) -> tuple[str, ImageEditFields]:
    """Accept the edit that a request asks for, or find the one that it made before."""
    share = share_of(request, caller.name)
    async with AsyncExitStack() as intake:
        await intake.enter_async_context(services.shares.intake.slot(share))
        reservation = intake.enter_context(services.memory_limiter.reservation(share))
        parsed = await parse_image_edit(request, services.body_timeouts, reservation)
        submission = parsed.submission
        async with idempotent(services, owner=caller.owner, key=key, parsed=submission) as post:
            edit_id = post.answer.edit.id if post.answer else post.edit_id
            if post.replayed:
                add_headers(request, {IDEMPOTENT_REPLAYED: "true"})
            if edit_id is None:
                lock = post.lock
                origin = Origin.of(request, services, caller)
                new = await accept_edit(submission, services, origin=origin, lock=lock)
                edit_id = new.id
    return edit_id, parsed.fields


async def _answer(wait: _Wait, fields: ImageEditFields, held: ExitStack) -> Response:
    """Return the images once the edit has ended, or why there are none."""
    request, services = wait.request, wait.services
    preferred = preferred_wait(request, at_most=MAX_IMAGE_WAIT)
    seconds = MAX_IMAGE_WAIT if preferred is None else preferred
    follower = services.follower
    waiting = follower.wait_until_final(wait.edit_id, seconds, key_id=wait.caller.key_id)
    try:
        await unless_disconnected(request, waiting)
    except ClientDisconnect:
        await wait.leave()
        raise
    record = await wait.record()
    if problem := answers.failure_of(record):
        return openai_response(problem)
    edit = await run_in_threadpool(render_edit, services, request, record)
    if fields.response_format == "url":
        return JSONResponse(answers.images_by_url(edit))
    images = answers.encoded_images(services, record, share=wait.share)
    first = await anext(images)  # what is wrong with the storage is known before the answer begins
    pieces = answers.images_inline(edit, _chained(first, images))
    return SharedStream(pieces, on_end=held.pop_all().close, media_type="application/json")


async def _chained(first: str, others: AsyncIterator[str]) -> AsyncIterator[str]:
    yield first
    async for one in others:
        yield one


class _Stream(SharedStream):
    """Events of an edit, which is canceled if the client leaves before its end."""

    def __init__(self, content: AsyncIterator[bytes], *, wait: _Wait, **named: Any):
        super().__init__(content, **named)
        self._wait = wait

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the stream."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._wait.leave()


async def _events(wait: _Wait, partial_images: int) -> AsyncIterator[bytes]:
    """Yield the events of an edit: unfinished images, then the finished ones or an error."""
    try:
        async for event in _followed(wait, partial_images):
            yield event
        record = await wait.record()
        if problem := answers.failure_of(record):
            yield answers.failed(problem)
            return
        async for image in answers.encoded_images(wait.services, record, share=wait.share):
            yield answers.completed(record, image)
    except (ApiError, CoreError) as error:
        kind, detail = problem_type_of(error)
        yield answers.failed(make_problem(kind.code, kind.title, status=kind.status, detail=detail))


async def _followed(wait: _Wait, partial_images: int) -> AsyncIterator[bytes]:
    """Yield unfinished images until the edit has ended, and a comment while nothing happens."""
    chosen = answers.PartialImages(partial_images)
    record = await wait.record()
    follower = wait.services.follower
    async for event in follower.events(wait.edit_id, after="", key_id=wait.caller.key_id):
        if event is None:
            yield KEEPALIVE_COMMENT
        elif event.type == "done":
            wait.ended = True
        elif event.type == "preview" and (index := chosen.take(event.data)) is not None:
            yield await answers.partial_image(
                wait.services, record, event.data, index, share=wait.share
            )
