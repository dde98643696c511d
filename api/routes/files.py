"""Pictures at signed addresses: whoever holds one may see that picture until it expires."""

import time

from fastapi import APIRouter, Request, Response

from api.openapi.describe import GET_FILE
from api.problems.errors import AddressUnknown
from api.responses.negotiation import content_type_of
from api.services import ServicesDep

router = APIRouter(prefix="/v1/files", tags=["files"])


@router.get("/{edit_id}/{name}", response_class=Response, **GET_FILE)
def get_file(
    request: Request,
    edit_id: str,
    name: str,
    services: ServicesDep,
    expires: str = "",
    signature: str = "",
) -> Response:
    """A picture's bytes."""
    # One answer for a bad signature, an expired one and a picture that is gone.
    unknown = AddressUnknown("Nothing is here any more; get the edit again for a fresh address.")
    until = services.signer.until(edit_id, name, expires=expires, signature=signature)
    asked = request.query_params
    # Given twice, another reader of the address, such as a cache, may take the other one.
    once = all(len(asked.getlist(part)) == 1 for part in ("expires", "signature"))
    if until is None or not once:
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
