"""Reading a request's body, with limits on its length and on how slowly it may arrive."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import Request
from pydantic_core import from_json
from python_multipart.multipart import parse_options_header
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.types import Message

from api.problems.errors import BodyTooLarge, InvalidRequest, MediaTypeUnsupported
from api.server.limits import BodyTimeouts
from api.server.memory_limiter import Reservation
from core.images.inspection import MAX_BYTES

MULTIPART = "multipart/form-data"
JSON = "application/json"

# Names, list items and objects of one JSON text. Each needs one of the signs that are counted; a
# request with every field filled up to its limit with these signs alone has about 22,000.
MAX_VALUES = 25_000
_SIGNS = (b",", b":", b"[", b"{")
MAX_FIELDS = 64  # of a form, besides its image

SLACK = 1024 * 1024  # bytes for everything but the image
# base64 turns three bytes into four.
MAX_BODY_BYTES = {MULTIPART: MAX_BYTES + SLACK, JSON: MAX_BYTES * 4 // 3 + SLACK}


def bounded(
    request: Request, body_timeouts: BodyTimeouts, reservation: Reservation
) -> tuple[str, Request]:
    """Return the body's media type, and the request with limits on reading its body.

    Raises:
        MediaTypeUnsupported: the body is neither multipart nor JSON.
        BodyTooLarge: by its stated length; the returned request raises it while being read.
        InvalidRequest, Overloaded: only from the returned request, if its body arrives too slowly
            or there is no memory for it.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in MAX_BODY_BYTES:
        raise MediaTypeUnsupported(f"Send the edit as {MULTIPART} or as {JSON}.")
    max_bytes = MAX_BODY_BYTES[media_type]
    stated = request.headers.get("content-length", "")
    if stated.isdecimal() and int(stated) > max_bytes:
        raise _too_large(max_bytes)
    read = 0
    started = time.monotonic()

    async def receive() -> Message:
        nonlocal read
        allowed = body_timeouts.grace_seconds + read / body_timeouts.bytes_a_second
        left = started + allowed - time.monotonic()
        try:
            async with asyncio.timeout(min(left, body_timeouts.pause_seconds)):
                message = await request.receive()
        except TimeoutError as error:
            raise _too_slow(read) from error
        size = len(message.get("body", b""))
        read += size
        if read > max_bytes:
            raise _too_large(max_bytes)
        reservation.take(size)
        return message

    return media_type, Request(request.scope, receive)


def _too_large(max_bytes: int) -> BodyTooLarge:
    return BodyTooLarge(f"The body has more than {max_bytes} bytes. Images may have up to 20 MB.")


def _too_slow(read: int) -> InvalidRequest:
    return InvalidRequest(
        f"The body arrived too slowly: {read} bytes in the time allowed. Send it again over a "
        "better connection, or make the image smaller."
    )


@asynccontextmanager
async def form_of(request: Request) -> AsyncIterator[FormData]:
    """Read the parts of a multipart body; its temporary files are deleted on leaving.

    Raises:
        InvalidRequest: the body is not what its header says.
    """
    # Some encodings take quadratic time, others fail with errors of their own.
    _, options = parse_options_header(request.headers.get("content-type", ""))
    if options.get(b"charset", b"utf-8").lower() not in (b"utf-8", b"utf8", b"us-ascii"):
        raise InvalidRequest("Send the form in UTF-8.")
    form = await request.form(max_files=1, max_fields=MAX_FIELDS)
    try:
        yield form
    finally:
        await form.close()


async def json_of(request: Request) -> Any:
    """Read a JSON body.

    Raises:
        InvalidRequest: the body is malformed, not UTF-8, or nested too deeply.
    """
    return await run_in_threadpool(parse_json, await request.body())


def parse_json(text: bytes | str) -> Any:
    """Parse strict JSON (RFC 8259): no NaN, no lone surrogates.

    Raises:
        InvalidRequest: the text is not JSON, is nested too deeply, or has too many values.
    """
    data = text.encode(errors="replace") if isinstance(text, str) else text
    if sum(map(data.count, _SIGNS)) > MAX_VALUES:
        # Small values grow a hundredfold in memory, and each may be an error to report.
        raise InvalidRequest(f"A request may have at most {MAX_VALUES} values.")
    try:
        return from_json(data, allow_inf_nan=False)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest(f"This is not well-formed JSON: {error}.") from error
