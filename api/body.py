"""Reading the body of a request under a bound: by its stated length, and while it comes in."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import Request
from pydantic_core import from_json
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.types import Message

from api.errors import BodyTooLarge, InvalidRequest, MediaTypeUnsupported
from jobs.pictures import MAX_BYTES

MULTIPART = "multipart/form-data"
JSON = "application/json"

SLACK = 1024 * 1024  # for everything that is not the picture
# base64 makes four bytes of three.
BOUNDS = {MULTIPART: MAX_BYTES + SLACK, JSON: MAX_BYTES * 4 // 3 + SLACK}


def bounded(request: Request) -> tuple[str, Request]:
    """The body's media type, and the request with its body under that type's bound.

    Raises:
        MediaTypeUnsupported: neither multipart nor JSON.
        BodyTooLarge: by its own statement; the returned request raises it while being read.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in BOUNDS:
        raise MediaTypeUnsupported(f"Send the edit as {MULTIPART} or as {JSON}.")
    bound = BOUNDS[media_type]
    stated = request.headers.get("content-length", "")
    if stated.isdecimal() and int(stated) > bound:
        raise _too_large(bound)
    read = 0

    async def receive() -> Message:
        nonlocal read
        message = await request.receive()
        read += len(message.get("body", b""))
        if read > bound:
            raise _too_large(bound)
        return message

    return media_type, Request(request.scope, receive)


def _too_large(bound: int) -> BodyTooLarge:
    return BodyTooLarge(f"The body has more than {bound} bytes; pictures of up to 20 MB are taken.")


@asynccontextmanager
async def form_of(request: Request) -> AsyncIterator[FormData]:
    """The parts of a multipart body; its temporary files are gone afterwards.

    Raises:
        InvalidRequest: not what its header says.
    """
    form = await request.form(max_files=1, max_fields=64)
    try:
        yield form
    finally:
        await form.close()


async def json_of(request: Request) -> Any:
    """A JSON body.

    Raises:
        InvalidRequest: malformed, not UTF-8, or nested beyond reason.
    """
    return await run_in_threadpool(parse_json, await request.body())


def parse_json(text: bytes | str) -> Any:
    """JSON as the RFC has it: no NaN, no lone surrogates, no nesting beyond reason.

    Raises:
        InvalidRequest: it is not that.
    """
    try:
        return from_json(text, allow_inf_nan=False)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest(f"This is no well-formed JSON: {error}.") from error
