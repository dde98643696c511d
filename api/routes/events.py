"""An edit's events, pushed as they happen."""

import json
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Header, Request, Response
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from api.auth import EventReaderDep
from api.openapi.describe import ONE_EDIT, problems, ref
from api.openapi.examples import EDIT
from api.responses.edit import load_edit
from api.responses.sse import EVENTS, RETRY_MS, SharedStream, as_lines
from api.server.shares import share_of
from api.services import ServicesDep
from core.errors import EditUnavailable
from core.schema import Edit

router = APIRouter(prefix="/v1/edits", tags=["edits"])

# Id, type and data of each event.
EXAMPLES: list[tuple[str, str, dict[str, Any]]] = [
    ("1767605400120-0", "status", {"status": "queued", "stage": None, "progress": 0.0}),
    ("1767605400480-0", "status", {"status": "running", "stage": "loading", "progress": 0.0}),
    ("1767605402910-0", "progress", {"stage": "tuning", "progress": 0.21}),
    (
        "1767605419020-0",
        "preview",
        {
            "strength": 0.7,
            "interpolation": 0.7,
            "progress": 0.88,
            "image": "data:image/webp;base64,UklGR…",
        },
    ),
    ("1767605421730-0", "done", {"status": "succeeded", "edit": EDIT}),
]
_EXAMPLE_LINES = "".join(
    f"event: {kind}\ndata: {json.dumps(data, ensure_ascii=False)}\nid: {event_id}\n\n"
    for event_id, kind, data in EXAMPLES
)
_STREAM = {
    "description": "Server-sent events, each with an `id`, from the edit's acceptance to `done`, "
    "after which the answer ends. `data` is JSON; `x-event-data` names the schema of each kind of "
    "event. If nothing happens for 5 seconds, a comment is sent. A client that was cut off "
    f"reconnects after {RETRY_MS} ms with `Last-Event-ID` and gets what it missed; if those events "
    "have expired, the stream begins with a `status` event of the edit's current state.",
    "content": {
        "text/event-stream": {
            "schema": {"type": "string"},
            "example": _EXAMPLE_LINES,
            "x-event-data": {name: ref(model) for name, model in EVENTS.items()},
        }
    },
}


@router.get(
    "/{edit_id}/events",
    response_class=StreamingResponse,
    responses={
        200: _STREAM,
        204: {"description": "`Last-Event-ID` is that of `done`: nothing follows"},
        **problems(*ONE_EDIT),
    },
)
async def follow_edit(
    request: Request,
    edit_id: str,
    services: ServicesDep,
    reader: EventReaderDep,
    last_event_id: Annotated[
        str, Header(description="id of the last event received: only later ones are sent")
    ] = "",
) -> Response:
    """Follow an edit's events from its acceptance to its end, as they happen.

    Server-sent events: `status`, `progress` (at most four a second), `preview` if the edit was made
    with `previews`, and `done`, after which the stream ends. The `ticket` of `urls.events` takes
    the place of a key, because a browser's `EventSource` cannot send one. A client that lost its
    connection sends the last `id` as `Last-Event-ID` and gets what it missed.
    """
    record = await run_in_threadpool(services.store.get, edit_id, caller=reader.caller)
    if last_event_id and last_event_id == await services.follower.final_event_id(edit_id):
        return Response(status_code=204)  # makes an EventSource stop reconnecting

    async def load_final() -> Edit | None:
        try:
            edit = await run_in_threadpool(load_edit, services, request, edit_id, reader.caller)
        except EditUnavailable:
            return None
        if reader.ticket:  # a ticket does not prolong itself
            edit.urls.events = f"{edit.urls.self}/events?ticket={reader.ticket}"
        return edit

    events = services.follower.events(edit_id, after=last_event_id, key_id=reader.key_id)
    # Proxies must pass each event on at once.
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    streams, share = services.shares.streams, share_of(request, record.submission.caller)
    await streams.acquire(share)
    return SharedStream(
        as_lines(events, load_final),
        media_type="text/event-stream",
        headers=headers,
        on_end=partial(streams.release, share),
    )
