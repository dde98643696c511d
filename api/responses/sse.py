"""An edit's events as server-sent events (WHATWG HTML, 9.2)."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from fastapi.responses import StreamingResponse
from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event
from pydantic import BaseModel, Field
from starlette.types import Receive, Scope, Send

from core.errors import KeyRevoked, StoreUnavailable
from core.schema import Edit, EditStatus, FormerName, Stage, Unit
from core.store.events import Event
from core.telemetry.logs import get_logger

RETRY_MS = 1000  # a client whose connection broke reconnects after this time

log = get_logger("baret.api")


class StatusEvent(BaseModel):
    """`status`: the edit was queued, possibly again, or a worker started it."""

    status: EditStatus
    stage: Stage | None = None
    progress: Unit = Field(0.0, description="0, unless earlier events have expired")


class ProgressEvent(BaseModel):
    """`progress`: how far the edit is, at most four times a second."""

    stage: Stage
    progress: Unit


class PreviewEvent(BaseModel):
    """`preview`: an output in the making, if the edit was created with `previews`."""

    strength: Unit = Field(description="of the output")
    interpolation: FormerName[Unit]
    progress: Unit
    image: str = Field(description="`data:image/webp;base64,…`, at most 96 pixels a side")


class DoneEvent(BaseModel):
    """`done`: the edit has ended. This is the last event."""

    status: EditStatus
    edit: Edit | None = Field(description="as GET returns it; null if it was deleted")


EVENTS: dict[str, type[BaseModel]] = {
    "status": StatusEvent,
    "progress": ProgressEvent,
    "preview": PreviewEvent,
    "done": DoneEvent,
}


class SharedStream(StreamingResponse):
    """A stream that gives back its slot when it has ended or its client has gone."""

    def __init__(self, content: AsyncIterator[bytes], *, on_end: Callable[[], None], **named: Any):
        super().__init__(content, **named)
        self._on_end = on_end

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the stream."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._on_end()


async def as_lines(
    events: AsyncIterator[Event | None], load_final: Callable[[], Awaitable[Edit | None]]
) -> AsyncIterator[bytes]:
    """Yield events as they are sent, and a comment when nothing has happened for a while.

    Args:
        events: as `Follower.events` yields them.
        load_final: loads the edit once it has ended.
    """
    yield format_sse_event(retry=RETRY_MS)
    try:
        async for event in events:
            if event is None:
                yield KEEPALIVE_COMMENT
                continue
            if event.type == "done":
                final = await load_final()
                data: BaseModel = DoneEvent(status=event.data["status"], edit=final)
            else:
                data = EVENTS[event.type].model_validate(event.data)
            yield format_sse_event(event=event.type, id=event.id, data_str=data.model_dump_json())
    except (StoreUnavailable, KeyRevoked) as error:
        # The answer has begun, so it can only end; the client reconnects with its last id, and is
        # refused then if its key was revoked.
        log.warning("event stream ended early", reason=str(error))
