"""The HTTP server beneath the application, patient with slow clients but not for ever.

uvicorn bounds neither the time that a request's head may take nor that of an answer nobody reads:
each such connection would stay, with its memory and its open file, as long as its client likes.
"""

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import Any

import h11
import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from api.kinds import INVALID_REQUEST
from api.problems import MEDIA_TYPE
from jobs.problems import make_problem


@dataclass(frozen=True)
class Patience:
    """What a connection may take; bodies have theirs in `api.body`."""

    head_seconds: float = 15.0  # until a request's head is whole, also for the next one
    unread_seconds: float = 20.0  # between two looks at an answer that its client has not taken …
    unread_bytes: int = 64 * 1024  # … of which so much must be gone by then
    connections: int = 2500  # beyond, the one that has waited longest for a head is closed


class GuardedProtocol(H11Protocol):
    """A connection that is closed when its client takes too long."""

    def __init__(
        self, *args: Any, patience: Patience, idle: "dict[GuardedProtocol, None]", **named: Any
    ):
        """Take what all connections of a server share.

        Args:
            args: uvicorn's.
            patience: with clients.
            idle: connections that wait for a request, the one that has waited longest first.
            named: uvicorn's.
        """
        super().__init__(*args, **named)
        self._patience, self._idle = patience, idle
        self._head_timer: asyncio.TimerHandle | None = None
        self._unread_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._wait_for_head()
        if len(self.connections) > self._patience.connections:
            next(iter(self._idle)).transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing more."""
        for timer in (self._head_timer, self._unread_timer):
            if timer is not None:
                timer.cancel()
        self._idle.pop(self, None)
        super().connection_lost(exc)

    def handle_events(self) -> None:
        """Note that a request is under way."""
        super().handle_events()
        if not self._is_idle:
            self._idle.pop(self, None)

    def on_response_complete(self) -> None:
        """Wait for the next request, and for the rest of a body that was not wanted."""
        self._wait_for_head()
        super().on_response_complete()

    def pause_writing(self) -> None:
        """Look now and then whether the client takes its answer."""
        super().pause_writing()
        self._look_at_unread(None)

    def resume_writing(self) -> None:
        """It does."""
        super().resume_writing()
        if self._unread_timer is not None:
            self._unread_timer.cancel()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP with a problem, where an answer can be sent at all."""
        if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            self.transport.close()
            return
        problem = make_problem(
            INVALID_REQUEST.code,
            INVALID_REQUEST.title,
            status=INVALID_REQUEST.status,
            detail="This is no well-formed HTTP request.",
        )
        body = problem.model_dump_json(exclude_none=True).encode()
        headers = [
            ("content-type", MEDIA_TYPE),
            ("content-length", str(len(body))),
            ("connection", "close"),
        ]
        head = h11.Response(status_code=INVALID_REQUEST.status, headers=headers)
        for event in (head, h11.Data(data=body), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    @property
    def _is_idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _wait_for_head(self) -> None:
        self._idle.pop(self, None)
        self._idle[self] = None
        if self._head_timer is not None:
            self._head_timer.cancel()
        self._head_timer = self.loop.call_later(self._patience.head_seconds, self._end_if_idle)

    def _end_if_idle(self) -> None:
        if self._is_idle:
            self.transport.close()

    def _look_at_unread(self, before: int | None) -> None:
        """Cut off a client that has taken too little of what was there at the last look."""
        unread = self.transport.get_write_buffer_size()
        if before is not None and unread > before - self._patience.unread_bytes:
            self.transport.abort()
            return
        look = partial(self._look_at_unread, unread)
        self._unread_timer = self.loop.call_later(self._patience.unread_seconds, look)


def server_config(
    app: FastAPI, *, host: str, port: int, patience: Patience | None = None, **more: Any
) -> uvicorn.Config:
    """How uvicorn serves the application.

    Args:
        app: the application.
        host: to listen on.
        port: to listen on.
        patience: with slow clients; None: the usual.
        more: other settings of uvicorn.
    """
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        log_config=None,
        access_log=False,  # `api.requests` writes one line a request
        # Proxy headers are believed from loopback, or from where FORWARDED_ALLOW_IPS says.
        proxy_headers=True,
        http=partial(GuardedProtocol, patience=patience or Patience(), idle={}),  # type: ignore[arg-type]
        ws="none",
        **more,
    )
