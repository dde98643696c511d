"""Pictures at signed addresses: whoever holds one may see that picture until it expires."""

import re
import time

from fastapi import APIRouter, Response

from api.encoding import content_type_of
from api.errors import AddressUnknown
from api.openapi import GET_FILE
from api.services import ServicesDep

router = APIRouter(prefix="/v1/files", tags=["files"])

_SECONDS = re.compile(r"\d{1,11}", re.ASCII)


@router.get("/{edit_id}/{name}", response_class=Response, **GET_FILE)
def get_file(
    edit_id: str, name: str, services: ServicesDep, expires: str = "", signature: str = ""
) -> Response:
    """A picture's bytes."""
    until = int(expires) if _SECONDS.fullmatch(expires) else 0
    # One answer for a bad signature, an expired one and a picture that is gone.
    unknown = AddressUnknown("Nothing is here any more; get the edit again for a fresh address.")
    if not services.signer.valid(edit_id, name, until, signature):
        raise unknown
    data = services.files.get(edit_id, name)
    if data is None:
        raise unknown
    seconds = max(0, until - int(time.time()))
    headers = {
        "Cache-Control": f"private, max-age={seconds}",
        "X-Content-Type-Options": "nosniff",
    }
    return Response(data, media_type=content_type_of(data), headers=headers)
