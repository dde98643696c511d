"""Reading the body of a request under a bound: by its stated length, and while it comes in."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import Request
from pydantic_core import from_json
from python_multipart.multipart import parse_options_header
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.types import Message

from api.errors import BodyTooLarge, InvalidRequest, MediaTypeUnsupported
from jobs.pictures import MAX_BYTES

MULTIPART = "multipart/form-data"
JSON = "application/json"

# Names, list items and objects of one JSON text. Each needs one of the signs that are counted, and
# a request that fills every field to its bound with nothing but these signs has some 22,000.
MOST_VALUES = 25_000
_SIGNS = (b",", b":", b"[", b"{")
MOST_FIELDS = 64  # of a form, its picture apart

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
    # Some encodings take time by the square of the length, others fail in ways of their own.
    _, options = parse_options_header(request.headers.get("content-type", ""))
    if options.get(b"charset", b"utf-8").lower() not in (b"utf-8", b"utf8", b"us-ascii"):
        raise InvalidRequest("Send the form in UTF-8.")
    form = await request.form(max_files=1, max_fields=MOST_FIELDS)
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
    """JSON as the RFC has it: no NaN, no lone surrogates, neither deep nor many beyond reason.

    Raises:
        InvalidRequest: it is not that.
    """
    data = text.encode(errors="replace") if isinstance(text, str) else text
    if sum(map(data.count, _SIGNS)) > MOST_VALUES:
        # Small values grow a hundredfold in memory, and each may be an error to tell of.
        raise InvalidRequest(f"A request has at most {MOST_VALUES} values.")
    try:
        return from_json(data, allow_inf_nan=False)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest(f"This is no well-formed JSON: {error}.") from error
