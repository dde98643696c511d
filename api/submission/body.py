"""Reading a request's body, with limits on its length and on how slowly it may arrive."""

import asyncio
import codecs
import json
import time
from collections.abc import Iterator, Mapping
from typing import Any

from fastapi import Request
from pydantic_core import from_json
from starlette.concurrency import run_in_threadpool
from starlette.types import Message

from api.problems.errors import (
    BodyTooLarge,
    InvalidRequest,
    MediaTypeUnsupported,
    ValidationFailed,
)
from api.problems.field_errors import GIVEN_TWICE, pointer
from api.server.headers import add_headers
from api.server.limits import BodyTimeouts
from api.server.memory_limiter import Reservation
from core.images.inspection import MAX_BYTES
from core.schema import FieldError

MULTIPART = "multipart/form-data"
JSON = "application/json"

# Names, list items and objects of one JSON text. Each needs one of the signs that are counted; a
# request with every field filled up to its limit with these signs alone has about 22,000.
MAX_VALUES = 25_000
_SIGNS = (b",", b":", b"[", b"{")

SLACK = 1024 * 1024  # bytes for everything but the image
# base64 turns three bytes into four.
MAX_BODY_BYTES = {MULTIPART: MAX_BYTES + SLACK, JSON: MAX_BYTES * 4 // 3 + SLACK}

IMAGE_HINT = "Images may have up to 20 MB."


def bounded(
    request: Request,
    body_timeouts: BodyTimeouts,
    reservation: Reservation,
    *,
    accepted: Mapping[str, int] = MAX_BODY_BYTES,
    hint: str = IMAGE_HINT,
) -> tuple[str, Request]:
    """Return the body's media type, and the request with limits on reading its body.

    Args:
        request: with its body unread.
        body_timeouts: how slowly it may arrive.
        reservation: of memory for it.
        accepted: the most bytes of a body, by the media types that are taken.
        hint: what to say of a body that is too large.

    Raises:
        MediaTypeUnsupported: the body has another type, or it is compressed.
        BodyTooLarge: by its stated length; the returned request raises it while being read.
        InvalidRequest, Overloaded: only from the returned request, if its body arrives too slowly
            or there is no memory for it.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in accepted:
        raise MediaTypeUnsupported(f"Send the body as {' or as '.join(accepted)}.")
    _check_encoding(request)
    max_bytes = accepted[media_type]
    stated = request.headers.get("content-length", "")
    if stated.isdecimal() and int(stated) > max_bytes:
        raise _too_large(max_bytes, hint)
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
            raise _too_large(max_bytes, hint)
        reservation.take(size)
        return message

    return media_type, Request(request.scope, receive)


def _too_large(max_bytes: int, hint: str) -> BodyTooLarge:
    return BodyTooLarge(f"The body has more than {max_bytes} bytes. {hint}")


def _too_slow(read: int) -> InvalidRequest:
    return InvalidRequest(
        f"The body arrived too slowly: {read} bytes in the time allowed. Send it again over a "
        "better connection, or make the image smaller."
    )


def _check_encoding(request: Request) -> None:
    encoding = request.headers.get("content-encoding", "").strip()
    if encoding.lower() not in ("", "identity"):
        add_headers(request, {"Accept-Encoding": "identity"})  # RFC 9110, 15.5.16
        raise MediaTypeUnsupported(
            f"The body's Content-Encoding is {encoding[:40]}. Send it uncompressed."
        )


async def json_of(request: Request) -> Any:
    """Read a JSON body.

    Raises:
        InvalidRequest: the body is malformed, not UTF-8, or nested too deeply.
    """
    return await run_in_threadpool(parse_json, await request.body())


def parse_json(text: bytes | str, *, max_values: int = MAX_VALUES) -> Any:
    """Parse strict JSON (RFC 8259): no NaN, no lone surrogates, no name twice in an object.

    Raises:
        InvalidRequest: the text is not JSON, is nested too deeply, or has too many values.
        ValidationFailed: an object has a name twice; which value was meant is unknown.
    """
    data = text.encode(errors="replace") if isinstance(text, str) else text
    data = data.removeprefix(codecs.BOM_UTF8)
    if sum(map(data.count, _SIGNS)) > max_values:
        # Small values grow a hundredfold in memory, and each may be an error to report.
        raise InvalidRequest(f"A request may have at most {max_values} values.")
    try:
        value = from_json(data, allow_inf_nan=False)
        # Numbers are not converted again: those of millions of digits take long.
        pairs = json.loads(data, object_pairs_hook=_Object, parse_int=len, parse_float=len)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest(f"This is not well-formed JSON: {error}.") from error
    if twice := [pointer(path) for path in _repeated(pairs, ())]:
        raise ValidationFailed([FieldError(pointer=one, detail=GIVEN_TWICE) for one in twice])
    return value


class _Object(list[tuple[str, Any]]):
    """The pairs of a JSON object, those with the same name included."""


def _repeated(node: Any, path: tuple[str | int, ...]) -> Iterator[tuple[str | int, ...]]:
    """Yield the path to each name that an object has more than once."""
    if isinstance(node, _Object):
        names: set[str] = set()
        for name, value in node:
            if name in names:
                yield (*path, name)
            names.add(name)
            yield from _repeated(value, (*path, name))
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from _repeated(value, (*path, index))
