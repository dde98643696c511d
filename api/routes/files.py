"""Images at signed URLs: anyone who has the URL may see the image until it expires."""

import time
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Header, Request, Response
from fastapi.responses import RedirectResponse
from starlette.concurrency import run_in_threadpool

from api.openapi.describe import IMAGE_CONTENT, problems
from api.problems.errors import AddressUnknown
from api.responses.negotiation import content_type_of, sent_type
from api.responses.stored_images import load_image
from api.server.disconnects import unless_disconnected
from api.server.headers import IS_HEAD
from api.server.query import is_spelled
from api.server.shares import ANONYMOUS, share_of
from api.services import Services, ServicesDep
from core.errors import StoreUnavailable

# Deleting an image ends its address there at once. Revoking a key ends it after this time.
STORE_SECONDS = 60

_LOCATION = {
    "Location": {
        "description": "the image's address there, which works for a minute",
        "schema": {"type": "string"},
    }
}

router = APIRouter(prefix="/v1/files", tags=["files"])


@router.get(
    "/{edit_id}/{name}",
    response_class=Response,
    responses={
        200: {"description": "The image", "content": IMAGE_CONTENT},
        307: {"description": "The image is in the object store", "headers": _LOCATION},
        **problems("not_found", "validation_error", "unavailable"),
    },
)
async def get_file(
    request: Request,
    edit_id: str,
    name: str,
    services: ServicesDep,
    expires: str = "",
    signature: str = "",
    accept: Annotated[str, Header(include_in_schema=False)] = "",
) -> Response:
    """Download an image at its signed address, as an answer has it. No key is needed.

    Use the address as it is: spelled in another way, it is not valid. It expires after an hour;
    every answer that contains the edit has a fresh one. It may lead on to the object store's own
    address, which works for a minute.
    """
    # The same answer for a bad signature, an expired URL and a deleted image.
    unknown = AddressUnknown("This URL is not valid or has expired. Get the edit for a fresh one.")
    signer = await run_in_threadpool(lambda: services.signer)
    until = signer.verify(edit_id, name, expires=expires, signature=signature)
    target = f"/v1/files/{edit_id}/{name}?expires={expires}&signature={signature}"
    if until is None or not is_spelled(request, target):
        raise unknown
    seconds = max(0, until - int(time.time()))
    # The store signs an address for one method alone, and a HEAD would need another one.
    if services.sends_downloads_to_store and not request.scope[IS_HEAD]:
        return await _at_the_store(services, edit_id, name, min(seconds, STORE_SECONDS))
    share = await _share(request, services, edit_id)
    data = await unless_disconnected(request, load_image(services, edit_id, name, share=share))
    if data is None:
        raise unknown
    headers = {
        "Cache-Control": f"private, max-age={seconds}",
        "Vary": "Accept",
        "X-Content-Type-Options": "nosniff",
    }
    media_type = sent_type(accept, content_type_of(data))
    return Response(data, media_type=media_type, headers=headers)


async def _at_the_store(services: Services, edit_id: str, name: str, seconds: int) -> Response:
    """Return a redirect to the store's own URL, which works for some seconds."""
    sign = partial(services.images.sign_get, edit_id, name, seconds=max(1, seconds))
    headers = {"Cache-Control": "no-store"}
    return RedirectResponse(await run_in_threadpool(sign), headers=headers)


async def _share(request: Request, services: Services, edit_id: str) -> str:
    """Return whose share an image takes: its owner's, or each client's if that is not known."""
    try:
        owner = await run_in_threadpool(services.store.owner, edit_id)
    except StoreUnavailable:  # the image can be sent all the same
        owner = None
    return share_of(request, owner or ANONYMOUS)
