"""An edit's events, pushed."""

from typing import Annotated

from fastapi import APIRouter, Header, Request, Response
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from api.auth import CallerNameDep
from api.openapi.describe import FOLLOW_EDIT
from api.responses.edit import load_edit
from api.responses.sse import as_lines
from api.services import ServicesDep
from core.errors import EditUnavailable
from core.schema import Edit

router = APIRouter(prefix="/v1/edits", tags=["edits"])


@router.get("/{edit_id}/events", response_class=StreamingResponse, **FOLLOW_EDIT)
async def follow_edit(
    request: Request,
    edit_id: str,
    services: ServicesDep,
    caller: CallerNameDep,
    last_event_id: Annotated[
        str, Header(description="id of the last event received: only later ones are sent")
    ] = "",
) -> Response:
    """The edit's events from its acceptance to its end, as they happen."""
    await run_in_threadpool(services.store.get, edit_id, caller=caller)
    if last_event_id and last_event_id == await services.follower.end_of(edit_id):
        return Response(status_code=204)  # what tells an EventSource not to come again

    async def ended() -> Edit | None:
        try:
            return await run_in_threadpool(load_edit, services, request, edit_id, caller)
        except EditUnavailable:
            return None

    events = services.follower.events(edit_id, after=last_event_id)
    # Proxies must pass each event on at once.
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(
        as_lines(events, ended), media_type="text/event-stream", headers=headers
    )
