"""Noticing that a client has gone while its request waits or is worked on."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from fastapi import Request
from starlette.requests import ClientDisconnect

T = TypeVar("T")


async def unless_disconnected(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """Return what the work returns; cancel it as soon as the client has gone.

    To be called once a request's body has been read: what still arrives is dropped.

    Raises:
        ClientDisconnect: the client has gone. Nobody is left to answer.
    """
    working = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_disconnected(request))
    try:
        await asyncio.wait({working, gone}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise ClientDisconnect
    finally:
        for task in (working, gone):
            task.cancel()
        await asyncio.gather(working, gone, return_exceptions=True)


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def raise_if_disconnected(request: Request) -> None:
    """Check whether the client of a request without a body has gone.

    Raises:
        ClientDisconnect: it has. Nobody is left to answer.
    """
    has_body = {"content-length", "transfer-encoding"} & set(request.headers)
    if not has_body and await request.is_disconnected():
        raise ClientDisconnect
