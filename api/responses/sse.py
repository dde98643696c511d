"""An edit's events in the form of server-sent events (WHATWG HTML, 9.2)."""

from collections.abc import AsyncIterator, Awaitable, Callable

from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event
from pydantic import BaseModel, Field

from core.errors import StoreUnavailable
from core.schema import Edit, EditStatus, Stage, Unit
from core.store.events import Event
from core.telemetry.logs import get_logger

RETRY_MS = 1000  # after which a client whose connection broke comes back

log = get_logger("baret.api")


class StatusEvent(BaseModel):
    """`status`: the edit was queued, also again, or taken by a worker."""

    status: EditStatus
    stage: Stage | None = None
    progress: Unit = Field(0.0, description="0 unless earlier events are kept no longer")


class ProgressEvent(BaseModel):
    """`progress`: how far the edit is, at most four times a second."""

    stage: Stage
    progress: Unit


class PreviewEvent(BaseModel):
    """`preview`: what an output is becoming, where `previews` was asked for."""

    interpolation: Unit = Field(description="of the output")
    progress: Unit
    image: str = Field(description="`data:image/webp;base64,…`, at most 96 pixels a side")


class DoneEvent(BaseModel):
    """`done`: the edit has ended; nothing follows."""

    status: EditStatus
    edit: Edit | None = Field(description="as GET shows it; null where it was deleted")


EVENTS: dict[str, type[BaseModel]] = {
    "status": StatusEvent,
    "progress": ProgressEvent,
    "preview": PreviewEvent,
    "done": DoneEvent,
}


async def as_lines(
    events: AsyncIterator[Event | None], ended: Callable[[], Awaitable[Edit | None]]
) -> AsyncIterator[bytes]:
    """The events as they go over the wire, comments where nothing has happened for a while.

    Args:
        events: as `Follower.events` gives them.
        ended: asked for the edit when it is done.
    """
    yield format_sse_event(retry=RETRY_MS)
    try:
        async for event in events:
            if event is None:
                yield KEEPALIVE_COMMENT
                continue
            if event.type == "done":
                told: BaseModel = DoneEvent(status=event.data["status"], edit=await ended())
            else:
                told = EVENTS[event.type].model_validate(event.data)
            yield format_sse_event(event=event.type, id=event.id, data_str=told.model_dump_json())
    except StoreUnavailable as error:
        # The answer has begun, so it can only end: the client comes back with its last id.
        log.warning("a follower was let go", reason=str(error))
