"""The photo of a new edit: sent, sent ahead, at an address, or an earlier edit's."""

import base64
import binascii
import re
from dataclasses import dataclass
from functools import partial
from urllib.parse import unquote_to_bytes

from starlette.concurrency import run_in_threadpool

from api.auth import Caller
from api.problems.errors import blame_field
from api.server.shares import ANONYMOUS
from api.services import Services
from api.submission.parsing import ImageInput, ParsedSubmission
from core.errors import (
    EditUnavailable,
    FetchError,
    InputImageError,
    InvalidImage,
    SourceNotFound,
    UploadNotFound,
)
from core.images.inspection import MAX_BYTES
from core.images.keys import INPUT, upload_prefix
from core.schema import InputImage

_SPACE = b" \t\r\n\f\v"
_STANDARD = bytes.maketrans(b"-_", b"+/")  # from the URL-safe alphabet of base64
_DATA_URL = re.compile(r"(?:data:[^,]{0,200}|[^,:]{0,200};\s{0,9}base64\s{0,9}),", re.IGNORECASE)


@dataclass(frozen=True)
class Photo:
    """The photo of a new edit: bytes to store, or where an earlier edit's are stored.

    `upload` is the id of the upload that the bytes were sent to, if they were sent to one.
    """

    image: InputImage
    data: bytes | None = None
    stored_at: str | None = None
    upload: str | None = None


async def photo_of(
    parsed: ParsedSubmission, services: Services, caller: Caller, *, share: str
) -> Photo:
    """Find the photo of a request and inspect it.

    Raises:
        FieldProblem: it cannot be had or read; it names the field.
    """
    if parsed.fields.source is not None:
        with blame_field("/source", SourceNotFound):
            return await run_in_threadpool(_source, services, parsed.fields.source, caller.owner)
    with blame_field("/image", InputImageError):
        image, data = parsed.fields.image, parsed.upload or b""
        if image is not None and image.upload is not None:
            with blame_field(parsed.image_pointer, UploadNotFound):
                data = await _uploaded(services, image.upload, caller.owner, share=share)
        elif image is not None:
            with blame_field(parsed.image_pointer, FetchError):
                data = await _referenced_image(image, services, caller.name)
        inspect = partial(services.sandbox.inspect, data)
        inspected = await services.shares.decoding.run(share, inspect)
        return Photo(inspected, data, upload=image.upload if image else None)


def _source(services: Services, edit_id: str, owner: str) -> Photo:
    """Return the photo of an earlier edit, which was inspected then; the two share it.

    A photo of an edit that an earlier version accepted is deleted with it, so it is copied.
    """
    message = "You have no edit with this id and an image."
    try:
        record = services.store.get(edit_id, caller=owner)
    except EditUnavailable as error:
        raise SourceNotFound(message) from error
    submission = record.submission
    if submission.photo is not None:
        return Photo(submission.input, stored_at=submission.photo)
    data = services.images.get(edit_id, INPUT)
    if data is None:
        raise SourceNotFound(message)
    return Photo(submission.input, data)


async def _uploaded(services: Services, upload_id: str, owner: str, *, share: str) -> bytes:
    """Return the image that was sent to one of the owner's uploads.

    Raises:
        UploadNotFound: there is no such upload, or nothing was sent to it.
        InputImageError: what the image storage took is longer or shorter than what was announced.
    """
    pending = await run_in_threadpool(services.uploads.get, upload_id, owner=owner)
    get = partial(services.images.get, max_bytes=pending.max_bytes)
    async with services.shares.downloads.slot(share):
        data = await run_in_threadpool(get, upload_prefix(upload_id), INPUT)
    if data is None:
        raise UploadNotFound("Nothing has come to this upload yet: send the image to its `url`.")
    if pending.is_exact and len(data) != pending.max_bytes:
        raise InvalidImage(f"The upload has {len(data)} of {pending.max_bytes} bytes.")
    return data


async def _referenced_image(image: ImageInput, services: Services, caller: str) -> bytes:
    if image.url is not None:
        key = None if caller == ANONYMOUS else caller
        return await services.fetcher.fetch(image.url, max_bytes=MAX_BYTES, key=key)
    return await run_in_threadpool(_decoded, image.base64 or "")


def _decoded(text: str) -> bytes:
    """Decode base64 text or a `data:` URL (RFC 2397).

    Either alphabet, with or without padding, and white space anywhere are taken.
    """
    text = text.lstrip()
    prefix = _DATA_URL.match(text)
    head = prefix[0].lower() if prefix else ""
    try:
        payload = text[prefix.end() if prefix else 0 :].encode("ascii")
        if head and b"%" in payload:
            payload = unquote_to_bytes(payload)
            if "base64" not in head:
                return payload
        payload = payload.translate(_STANDARD, _SPACE).rstrip(b"=")
        return base64.b64decode(payload + b"=" * (-len(payload) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidImage(
            "This is neither an http:// or https:// address nor a `data:` URL nor base64."
        ) from error
