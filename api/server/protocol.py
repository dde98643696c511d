"""The HTTP protocol, with limits on how long a slow client may hold a connection.

uvicorn limits neither the time that a request's head may take nor that of an answer nobody reads.
Each such connection would stay, with its memory and its open file, as long as its client likes.
"""

import asyncio
import math
import socket
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import h11
import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from api.problems.handlers import MEDIA_TYPE
from api.problems.types import INVALID_REQUEST
from api.server.limits import ConnectionLimits
from api.server.normalize import NormalizedRequests
from core.problems import make_problem

REFUSAL_SECONDS = 0.2  # in which a system refuses what is written to a client that has gone


@dataclass(frozen=True)
class _Shared:
    """State of all connections of a server; both collections begin with the longest waiting."""

    limits: ConnectionLimits
    prefix: str  # of the service's public address
    idle: "dict[GuardedProtocol, None]" = field(default_factory=dict)  # wait for a request
    unread: "dict[GuardedProtocol, None]" = field(default_factory=dict)  # for their client


class GuardedProtocol(H11Protocol):
    """A connection that is closed when its client takes too long."""

    def __init__(self, *args: Any, shared: _Shared, **named: Any):
        super().__init__(*args, **named)
        self._shared, self._limits = shared, shared.limits
        self._has_head_begun = False  # of the next request
        self._drops_body = False  # the rest of one that was answered before it had come
        self._has_client_finished = False  # it sends nothing more, but may still read
        self._head_timer: asyncio.TimerHandle | None = None
        self._unread_timer: asyncio.TimerHandle | None = None
        self._gone_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start to wait for a request."""
        super().connection_made(transport)
        self._wait(self._limits.head_seconds)
        if len(self.connections) > self._limits.connections:
            longest = next(iter(self._shared.idle))
            # Its `connection_lost` comes later; the next new connection must close another one.
            del self._shared.idle[longest]
            longest.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        for timer in (self._head_timer, self._unread_timer, self._gone_timer):
            if timer is not None:
                timer.cancel()
        self._shared.idle.pop(self, None)
        self._shared.unread.pop(self, None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Receive bytes; with the first of a request, the time for its head begins."""
        if self._is_idle and not self._has_head_begun and not self._drops_body:
            self._has_head_begun = True
            self._wait(self._limits.head_seconds)
        super().data_received(data)

    def handle_events(self) -> None:
        """Note that a request is in progress, or that an unwanted body has ended."""
        super().handle_events()
        if not self._is_idle:
            self._shared.idle.pop(self, None)
        elif self._drops_body and self.conn.our_state is h11.IDLE:
            self._drops_body = False
            self._wait(self._limits.idle_seconds)

    def eof_received(self) -> bool:  # type: ignore[override]
        """Keep the connection for the answer if the client closed its side after a whole request.

        A client that has gone altogether looks the same until something is written to it.
        """
        self._has_client_finished = True
        if self._is_idle or self.cycle.more_body:
            return False
        self._gone_timer = self.loop.call_later(self._limits.gone_seconds, self._ask_whether_gone)
        return True

    def on_response_complete(self) -> None:
        """Wait for the next request, and for the rest of an unwanted body."""
        self._has_head_begun, self._drops_body = False, self.cycle.more_body
        limits = self._limits
        self._wait(limits.head_seconds if self._drops_body else limits.idle_seconds)
        super().on_response_complete()  # which may begin a request that has come already
        if self._has_client_finished and self._is_idle:
            self.transport.close()
        elif self._is_idle and not self._drops_body and self.conn.trailing_data[0]:
            self._has_head_begun = True  # its first bytes came with the request before it
            self._wait(self._limits.head_seconds)

    def _ask_whether_gone(self) -> None:
        """Write an interim answer (RFC 9110, 15.2) to a client that closed its side.

        Its system refuses that if the client has gone, and passes it over otherwise.
        """
        if self.conn.our_state is not h11.SEND_RESPONSE or self.conn.their_http_version != b"1.1":
            return  # an answer is on its way, or the client knows no interim answers
        interim = h11.InformationalResponse(status_code=102, headers=[], reason="Processing")
        self.transport.write(self.conn.send(interim) or b"")
        self._gone_timer = self.loop.call_later(REFUSAL_SECONDS, self._end_if_gone)

    def _end_if_gone(self) -> None:
        # Nothing is read any more, so that the event loop does not notice by itself.
        connection = self.transport.get_extra_info("socket")
        if connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self.transport.abort()
        else:
            self._gone_timer = self.loop.call_later(
                self._limits.gone_seconds, self._ask_whether_gone
            )

    def pause_writing(self) -> None:
        """Start to check whether the client reads its answer."""
        super().pause_writing()
        self._shared.unread[self] = None
        self._check_unread(None)
        self._shed()

    def resume_writing(self) -> None:
        """Resume writing."""
        super().resume_writing()
        self._shared.unread.pop(self, None)
        if self._unread_timer is not None:
            self._unread_timer.cancel()

    def send_400_response(self, msg: str) -> None:
        """Answer malformed HTTP with a problem, if an answer can still be sent."""
        if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            self.transport.close()
            return
        problem = make_problem(
            INVALID_REQUEST.code,
            INVALID_REQUEST.title,
            status=INVALID_REQUEST.status,
            detail="This is not a well-formed HTTP request.",
            prefix=self._shared.prefix,
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

    def _unsupported_upgrade_warning(self) -> None:
        """Log nothing: clients such as Java's ask every server for HTTP/2, and may be ignored."""

    @property
    def _is_idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _wait(self, seconds: float) -> None:
        """Wait so long for the next request's head."""
        self._shared.idle.pop(self, None)
        self._shared.idle[self] = None
        if self._head_timer is not None:
            self._head_timer.cancel()
        self._head_timer = self.loop.call_later(seconds, self._end_if_idle)

    def _end_if_idle(self) -> None:
        if self._is_idle:
            self.transport.close()

    def _shed(self) -> None:
        """Cut off the clients that have waited longest while all together hold too much."""
        sizes = {one: one.transport.get_write_buffer_size() for one in self._shared.unread}
        total = sum(sizes.values())
        for connection, size in sizes.items():
            if total <= self._limits.unread_in_all:
                return
            connection.transport.abort()
            total -= size

    def _check_unread(self, before: int | None) -> None:
        """Cut off a client that has read too little since the last check."""
        unread = self.transport.get_write_buffer_size()
        if before is not None and unread > before - self._limits.unread_bytes:
            self.transport.abort()
            return
        check_again = partial(self._check_unread, unread)
        self._unread_timer = self.loop.call_later(self._limits.unread_seconds, check_again)


class _Config(uvicorn.Config):
    """uvicorn's configuration, with requests normalized before its own proxy headers."""

    def load(self) -> None:
        """Load the application."""
        super().load()
        self.loaded_app = NormalizedRequests(self.loaded_app)


def server_config(
    app: FastAPI,
    *,
    host: str,
    port: int,
    connection_limits: ConnectionLimits | None = None,
    **more: Any,
) -> uvicorn.Config:
    """Return the configuration of uvicorn for the application.

    Args:
        app: the application.
        host: the host to listen on.
        port: the port to listen on.
        connection_limits: for slow clients; None for the defaults.
        more: other settings of uvicorn.
    """
    limits = connection_limits or ConnectionLimits()
    return _Config(
        app,
        host=host,
        port=port,
        log_config=None,
        access_log=False,  # `api.server.middleware` writes one line a request
        # Proxy headers are trusted from loopback, or from the addresses in FORWARDED_ALLOW_IPS.
        proxy_headers=True,
        http=partial(GuardedProtocol, shared=_Shared(limits, app.state.root)),  # type: ignore[arg-type]
        timeout_keep_alive=math.ceil(limits.idle_seconds),
        ws="none",
        **more,
    )
