"""Uploads: an app sends its photo to a signed URL, and its edit names the upload."""

import hashlib
from datetime import datetime
from typing import Annotated, Any, Literal, get_args

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from api.auth import Caller, CallerDep
from api.openapi.describe import BINARY, example, header, problems, ref
from api.problems.errors import AddressUnknown, InvalidRequest
from api.server.origins import base_url
from api.server.query import is_spelled
from api.server.shares import share_of
from api.services import Services, ServicesDep
from api.submission.body import JSON, bounded
from api.submission.small_json import read_small
from core.errors import UploadNotFound
from core.images.inspection import MAX_BYTES
from core.images.keys import INPUT, upload_prefix
from core.schema import Strict
from core.store.uploads import URL_SECONDS, PendingUpload, new_upload
from core.telemetry.logs import get_logger

router = APIRouter(prefix="/v1/uploads", tags=["uploads"])
log = get_logger("baret.api")

ImageType = Literal[
    "image/jpeg", "image/png", "image/webp", "image/heic", "image/heif", "image/avif"
]
_ID = "upl_019ab1f27c3a7d4e8a55c0de12345678"
_EXAMPLE: dict[str, Any] = {
    "id": _ID,
    "object": "upload",
    "url": f"https://photos.example/v1/uploads/{_ID}?expires=1767609000&signature=5d41…",
    "method": "PUT",
    "headers": {"Content-Type": "image/jpeg"},
    "max_bytes": 2481034,
    "expires_at": "2026-01-05T10:30:00Z",
}


class CreateUploadRequest(Strict):
    """What will be sent to an upload."""

    content_type: ImageType = Field(description="the `Content-Type` that the image is sent with")
    bytes: Annotated[int, Field(ge=1, le=MAX_BYTES)] | None = Field(
        None,
        description="the image's length: it is taken with exactly so many bytes. "
        f"Default: any number up to {MAX_BYTES}",
    )


class Upload(BaseModel):
    """Where to send an image, once."""

    id: str
    object: Literal["upload"] = "upload"
    url: str = Field(description="signed: it needs no key and takes one image until `expires_at`")
    method: Literal["PUT"] = "PUT"
    headers: dict[str, str] = Field(description="to be sent with the image, as they are")
    max_bytes: int
    expires_at: datetime = Field(
        description="until when `url` works, and an edit may use the image"
    )


async def upload_request(
    request: Request, services: ServicesDep, caller: CallerDep
) -> CreateUploadRequest:
    """Read and validate the body; raises as `read_small`."""
    return await read_small(request, services, CreateUploadRequest, caller=caller.name)


@router.post(
    "",
    status_code=201,
    response_model=Upload,
    responses={
        201: {
            **example(_EXAMPLE, "Where to send the image"),
            "headers": {"Cache-Control": header("no cache may store it", "no-store")},
        },
        **problems(
            "invalid_request",
            "quota_exceeded",
            "image_too_large",
            "unsupported_media_type",
            "validation_error",
            "unavailable",
        ),
    },
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                JSON: {
                    "schema": ref(CreateUploadRequest),
                    "example": {"content_type": "image/jpeg", "bytes": 2481034},
                }
            },
        }
    },
)
async def create_upload(
    request: Request,
    response: Response,
    services: ServicesDep,
    caller: CallerDep,
    body: Annotated[CreateUploadRequest, Depends(upload_request)],
) -> Upload:
    """Create an upload: a URL that takes one image, for an app that has no key.

    Send the image to `url` with `method` and `headers`, as the whole body; then create an edit with
    `{"image": {"upload": id}}`. So a photo goes from a phone to the service, or straight to its
    object store, and never through your own back end.
    """
    response.headers["Cache-Control"] = "no-store"
    return await run_in_threadpool(_create, request, services, caller, body)


def _create(
    request: Request, services: Services, caller: Caller, body: CreateUploadRequest
) -> Upload:
    is_direct = services.settings.direct_uploads and services.images.signs_urls
    pending = new_upload(
        caller=caller.name,
        owner=caller.owner,
        content_type=body.content_type,
        max_bytes=body.bytes or MAX_BYTES,
        is_exact=body.bytes is not None,
        is_direct=is_direct,
    )
    url, headers = _address(request, services, pending)
    services.uploads.create(pending, limit=services.settings.image_mb_per_key * 10**6)
    return Upload(
        id=pending.id,
        url=url,
        headers={"Content-Type": pending.content_type, **headers},
        max_bytes=pending.max_bytes,
        expires_at=pending.expires_at,
    )


def _address(
    request: Request, services: Services, pending: PendingUpload
) -> tuple[str, dict[str, str]]:
    """Return the signed URL of an upload, and what the image storage wants to be sent with it."""
    if pending.is_direct:
        prefix = upload_prefix(pending.id)
        return services.images.sign_put(prefix, INPUT, seconds=URL_SECONDS)
    expires = int(pending.expires_at.timestamp())
    path = services.signer.upload_path(pending.id, expires=expires)
    return base_url(request, services.settings) + path, {}


@router.put(
    "/{upload_id}",
    status_code=204,
    responses={
        204: {"description": "The image is there"},
        **problems(
            "invalid_request",
            "not_found",
            "upload_used",
            "image_too_large",
            "unsupported_media_type",
            "validation_error",
            "rate_limited",
            "unavailable",
        ),
    },
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {one: {"schema": BINARY} for one in get_args(ImageType)},
        }
    },
)
async def put_upload(
    request: Request,
    upload_id: str,
    services: ServicesDep,
    expires: str = "",
    signature: str = "",
) -> Response:
    """Send an image to an upload's signed URL, as the whole body. No key is needed.

    It must have the type and the length that were announced. The same image may be sent again,
    because the answer may have been lost; another one may not.
    """
    unknown = AddressUnknown("This URL is not valid, has expired or was used. Create a new upload.")
    signer = await run_in_threadpool(lambda: services.signer)
    target = f"/v1/uploads/{upload_id}?expires={expires}&signature={signature}"
    valid = signer.is_upload(upload_id, expires=expires, signature=signature)
    if not valid or not is_spelled(request, target):
        raise unknown
    try:
        pending = await run_in_threadpool(services.uploads.get, upload_id)
        await _receive(request, services, pending)
    except UploadNotFound as error:
        raise unknown from error
    return Response(status_code=204)


async def _receive(request: Request, services: Services, pending: PendingUpload) -> None:
    """Read the image in its caller's share, and store it.

    Raises:
        MediaTypeUnsupported, BodyTooLarge, InvalidRequest, RateLimited, Overloaded: it cannot be
            read, or is not what was announced.
        UploadUsed, UploadNotFound: as `Uploads.claim`.
    """
    share = share_of(request, pending.caller)
    async with services.shares.intake.slot(share):
        with services.memory_limiter.reservation(share) as reservation:
            _, body = bounded(
                request,
                services.body_timeouts,
                reservation,
                accepted={pending.content_type: pending.max_bytes},
            )
            data = await body.body()
            if not data or (pending.is_exact and len(data) != pending.max_bytes):
                raise InvalidRequest(
                    f"{len(data)} bytes were sent, and {pending.max_bytes} announced. Send the "
                    "image as the whole body, not in a form."
                )
            await run_in_threadpool(_store, services, pending, data)
    log.info("uploaded", upload=pending.id, caller=pending.caller, bytes=len(data))


def _store(services: Services, pending: PendingUpload, data: bytes) -> None:
    services.uploads.claim(pending.id, hashlib.sha256(data).hexdigest())
    services.images.put(upload_prefix(pending.id), INPUT, data)
