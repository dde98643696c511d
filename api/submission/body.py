"""Reading the body of a request under bounds: its length, and how slowly it may come in."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from pydantic_core import from_json
from python_multipart.multipart import parse_options_header
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.types import Message

from api.problems.errors import BodyTooLarge, InvalidRequest, MediaTypeUnsupported
from api.server.memory_limiter import Reservation
from core.images.inspection import MAX_BYTES

MULTIPART = "multipart/form-data"
JSON = "application/json"

# Names, list items and objects of one JSON text. Each needs one of the signs that are counted, and
# a request that fills every field to its bound with nothing but these signs has some 22,000.
MAX_VALUES = 25_000
_SIGNS = (b",", b":", b"[", b"{")
MAX_FIELDS = 64  # of a form, its picture apart

SLACK = 1024 * 1024  # for everything that is not the picture
# base64 makes four bytes of three.
BOUNDS = {MULTIPART: MAX_BYTES + SLACK, JSON: MAX_BYTES * 4 // 3 + SLACK}


@dataclass(frozen=True)
class BodyTimeouts:
    """How slowly a body may come: a dripping one holds a connection, memory and files."""

    pause_seconds: float = 20.0  # most between two parts
    grace_seconds: float = 20.0  # for the whole, and a second more …
    bytes_a_second: int = 32 * 1024  # … for so many bytes: 11 minutes for the largest picture


def bounded(
    request: Request, body_timeouts: BodyTimeouts, reservation: Reservation
) -> tuple[str, Request]:
    """The body's media type, and the request with its body under that type's bound.

    Raises:
        MediaTypeUnsupported: neither multipart nor JSON.
        BodyTooLarge: by its own statement; the returned request raises it while being read.
        InvalidRequest, Overloaded: only from the returned request, if its body comes too slowly or
            there is no room for it.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in BOUNDS:
        raise MediaTypeUnsupported(f"Send the edit as {MULTIPART} or as {JSON}.")
    bound = BOUNDS[media_type]
    stated = request.headers.get("content-length", "")
    if stated.isdecimal() and int(stated) > bound:
        raise _too_large(bound)
    read = 0
    started = time.monotonic()

    async def receive() -> Message:
        nonlocal read
        left = (
            started
            + body_timeouts.grace_seconds
            + read / body_timeouts.bytes_a_second
            - time.monotonic()
        )
        try:
            async with asyncio.timeout(min(left, body_timeouts.pause_seconds)):
                message = await request.receive()
        except TimeoutError as error:
            raise _too_slow(read) from error
        size = len(message.get("body", b""))
        read += size
        if read > bound:
            raise _too_large(bound)
        reservation.take(size)
        return message

    return media_type, Request(request.scope, receive)


def _too_large(bound: int) -> BodyTooLarge:
    return BodyTooLarge(f"The body has more than {bound} bytes; pictures of up to 20 MB are taken.")


def _too_slow(read: int) -> InvalidRequest:
    return InvalidRequest(
        f"The body came too slowly: {read} bytes of it were there when the time was up. Send it "
        "again over a better connection, or make the picture smaller."
    )


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
    form = await request.form(max_files=1, max_fields=MAX_FIELDS)
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
    if sum(map(data.count, _SIGNS)) > MAX_VALUES:
        # Small values grow a hundredfold in memory, and each may be an error to tell of.
        raise InvalidRequest(f"A request has at most {MAX_VALUES} values.")
    try:
        return from_json(data, allow_inf_nan=False)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest(f"This is no well-formed JSON: {error}.") from error
