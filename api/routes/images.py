"""Output images of an edit, in the encoding that the caller prefers."""

import math
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from api.auth import CallerDep
from api.openapi.describe import IMAGE_CONTENT, ONE_EDIT, problems
from api.problems.errors import AddressUnknown, NotFinished
from api.responses.negotiation import preferred_format, sent_type
from api.responses.stored_images import load_image
from api.server.admission_slot import leave_admission
from api.server.disconnects import unless_disconnected
from api.server.shares import LARGE_PIXELS, share_of
from api.services import Services, ServicesDep
from core.images.sandbox import SandboxControl
from core.schema import EditStatus, OutputFormat, Record, StoredImage

router = APIRouter(prefix="/v1/edits", tags=["edits"])


async def strength_of(
    strength: Annotated[float | None, Query(description="default: the first output")] = None,
    interpolation: Annotated[
        float | None, Query(description="the former name of `strength`", deprecated=True)
    ] = None,
) -> float | None:
    """Return the requested strength under either of its names."""
    return interpolation if strength is None else strength


@router.get(
    "/{edit_id}/image",
    response_class=Response,
    responses={
        200: {"description": "The image", "content": IMAGE_CONTENT},
        **problems(*ONE_EDIT, "not_finished"),
    },
)
async def get_image(
    request: Request,
    edit_id: str,
    services: ServicesDep,
    caller: CallerDep,
    strength: Annotated[float | None, Depends(strength_of)],
    form: Annotated[
        OutputFormat | None, Query(alias="format", description="default: by `Accept`")
    ] = None,
    accept: Annotated[str, Header(include_in_schema=False)] = "",
) -> Response:
    """Download an output, in the encoding that you prefer.

    Without `strength` it is the first output, without `format` and `Accept` as it is stored. The
    addresses in `outputs` lead to the same images without a key.
    """
    record = await run_in_threadpool(services.store.get, edit_id, caller=caller.owner)
    image = _output(record, strength)
    stored = OutputFormat(image.content_type.removeprefix("image/"))
    form = form or preferred_format(accept, stored)
    share = share_of(request, caller.name)
    if form is stored:
        work = load_image(services, edit_id, image.name, share=share)
    else:
        work = _convert(services, record, image, form, share=share)
    leave_admission(request.scope)
    data = await unless_disconnected(request, work)
    if data is None:
        raise AddressUnknown("This image no longer exists.")
    headers = {
        "Vary": "Accept",
        "X-Content-Type-Options": "nosniff",
    }
    return Response(data, media_type=sent_type(accept, form.content_type), headers=headers)


async def _convert(
    services: Services, record: Record, image: StoredImage, form: OutputFormat, *, share: str
) -> bytes | None:
    """Return an output in another format; None if it no longer exists."""
    submission = record.submission

    def work(control: SandboxControl) -> bytes | None:
        data = services.images.get(submission.id, image.name)  # not before there is a slot
        if data is None:
            return None
        return services.sandbox.encode(
            data,
            form,
            quality=submission.params.quality,
            marking=services.marking,
            model=submission.model,
            control=control,
        )

    is_slow = image.width * image.height > LARGE_PIXELS
    return await services.shares.encoding.run(share, work, is_slow=is_slow)


def _output(record: Record, strength: float | None) -> StoredImage:
    if record.status is not EditStatus.SUCCEEDED or record.result is None:
        raise NotFinished(f"The edit is {record.status}; only a succeeded edit has images.")
    for image in record.result.outputs:
        if strength is None or math.isclose(image.strength or 0, strength):
            return image
    raise AddressUnknown("The edit has no output of this strength; `outputs` lists them.")
