"""The HTTP server beneath the application, patient with slow clients but not for ever.

uvicorn bounds neither the time that a request's head may take nor that of an answer nobody reads:
each such connection would stay, with its memory and its open file, as long as its client likes.
"""

import asyncio
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import h11
import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from api.problems.handlers import MEDIA_TYPE
from api.problems.types import INVALID_REQUEST
from core.problems import make_problem


@dataclass(frozen=True)
class ConnectionLimits:
    """What a connection may take; bodies have theirs in `api.submission.body`."""

    head_seconds: float = 15.0  # until a request's head is whole, also for the next one
    # Between two looks at an answer that its client has not taken. The system's own buffer, some
    # megabytes, takes more only when a third of it is free: 20 kB a second are seen in this time.
    unread_seconds: float = 60.0
    unread_bytes: int = 64 * 1024  # of it that must be gone by then
    unread_in_all: int = 256 * 1024 * 1024  # beyond, who began to wait first is cut off
    connections: int = 2500  # beyond, the one that has waited longest for a head is closed


@dataclass(frozen=True)
class _Shared:
    """What all connections of a server know; both begin with who has waited longest."""

    connection_limits: ConnectionLimits
    idle: "dict[GuardedProtocol, None]" = field(default_factory=dict)  # wait for a request
    unread: "dict[GuardedProtocol, None]" = field(default_factory=dict)  # for their client


class GuardedProtocol(H11Protocol):
    """A connection that is closed when its client takes too long."""

    def __init__(self, *args: Any, shared: _Shared, **named: Any):
        super().__init__(*args, **named)
        self._shared, self._patience = shared, shared.connection_limits
        self._head_timer: asyncio.TimerHandle | None = None
        self._unread_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._wait_for_head()
        if len(self.connections) > self._patience.connections:
            longest = next(iter(self._shared.idle))
            del self._shared.idle[longest]  # its loss is told later; who comes next closes another
            longest.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing more."""
        for timer in (self._head_timer, self._unread_timer):
            if timer is not None:
                timer.cancel()
        self._shared.idle.pop(self, None)
        self._shared.unread.pop(self, None)
        super().connection_lost(exc)

    def handle_events(self) -> None:
        """Note that a request is under way."""
        super().handle_events()
        if not self._is_idle:
            self._shared.idle.pop(self, None)

    def on_response_complete(self) -> None:
        """Wait for the next request, and for the rest of a body that was not wanted."""
        self._wait_for_head()
        super().on_response_complete()

    def pause_writing(self) -> None:
        """Look now and then whether the client takes its answer."""
        super().pause_writing()
        self._shared.unread[self] = None
        self._look_at_unread(None)
        self._shed()

    def resume_writing(self) -> None:
        """It does."""
        super().resume_writing()
        self._shared.unread.pop(self, None)
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
        self._shared.idle.pop(self, None)
        self._shared.idle[self] = None
        if self._head_timer is not None:
            self._head_timer.cancel()
        self._head_timer = self.loop.call_later(self._patience.head_seconds, self._end_if_idle)

    def _end_if_idle(self) -> None:
        if self._is_idle:
            self.transport.close()

    def _shed(self) -> None:
        """Cut off who has kept an answer waiting longest, where all together hold too much."""
        sizes = {one: one.transport.get_write_buffer_size() for one in self._shared.unread}
        total = sum(sizes.values())
        for one, size in sizes.items():
            if total <= self._patience.unread_in_all:
                return
            one.transport.abort()
            total -= size

    def _look_at_unread(self, before: int | None) -> None:
        """Cut off a client that has taken too little of what was there at the last look."""
        unread = self.transport.get_write_buffer_size()
        if before is not None and unread > before - self._patience.unread_bytes:
            self.transport.abort()
            return
        look = partial(self._look_at_unread, unread)
        self._unread_timer = self.loop.call_later(self._patience.unread_seconds, look)


def server_config(
    app: FastAPI,
    *,
    host: str,
    port: int,
    connection_limits: ConnectionLimits | None = None,
    **more: Any,
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
        access_log=False,  # `api.server.middleware` writes one line a request
        # Proxy headers are believed from loopback, or from where FORWARDED_ALLOW_IPS says.
        proxy_headers=True,
        http=partial(GuardedProtocol, shared=_Shared(connection_limits or ConnectionLimits())),  # type: ignore[arg-type]
        ws="none",
        **more,
    )
