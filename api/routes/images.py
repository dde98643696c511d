"""Output images of an edit, in the encoding that the caller prefers."""

import math
from functools import partial
from typing import Annotated

from anyio import to_thread
from fastapi import APIRouter, Header, Query, Response
from starlette.concurrency import run_in_threadpool

from api.auth import OwnerDep
from api.openapi.describe import IMAGE_CONTENT, ONE_EDIT, problems
from api.problems.errors import AddressUnknown, NotFinished
from api.responses.negotiation import preferred_format, sent_type, transcode
from api.services import ServicesDep
from core.schema import EditStatus, OutputFormat, Record, StoredImage

router = APIRouter(prefix="/v1/edits", tags=["edits"])


@router.get(
    "/{edit_id}/image",
    response_class=Response,
    responses={
        200: {"description": "The image", "content": IMAGE_CONTENT},
        **problems(*ONE_EDIT, "not_finished"),
    },
)
async def get_image(
    edit_id: str,
    services: ServicesDep,
    caller: OwnerDep,
    strength: Annotated[float | None, Query(description="default: the first output")] = None,
    interpolation: Annotated[
        float | None, Query(description="the former name of `strength`", deprecated=True)
    ] = None,
    form: Annotated[
        OutputFormat | None, Query(alias="format", description="default: by `Accept`")
    ] = None,
    accept: Annotated[str, Header(include_in_schema=False)] = "",
) -> Response:
    """Download an output, in the encoding that you prefer."""
    record = await run_in_threadpool(services.store.get, edit_id, caller=caller)
    image = _output(record, interpolation if strength is None else strength)
    data = await run_in_threadpool(services.images.get, edit_id, image.name)
    if data is None:
        raise AddressUnknown("This image no longer exists.")
    stored = OutputFormat(image.content_type.removeprefix("image/"))
    form = form or preferred_format(accept, stored)
    if form is not stored:
        encode = partial(
            transcode,
            quality=record.submission.params.quality,
            marking=services.marking,
            model=record.submission.model,
        )
        data = await to_thread.run_sync(encode, data, form, limiter=services.decoders)
    headers = {
        "Vary": "Accept",
        "X-Content-Type-Options": "nosniff",
    }
    return Response(data, media_type=sent_type(accept, form.content_type), headers=headers)


def _output(record: Record, strength: float | None) -> StoredImage:
    if record.status is not EditStatus.SUCCEEDED or record.result is None:
        raise NotFinished(f"The edit is {record.status}; only a succeeded edit has images.")
    for image in record.result.outputs:
        if strength is None or math.isclose(image.strength or 0, strength):
            return image
    raise AddressUnknown("The edit has no output of this strength; `outputs` lists them.")
