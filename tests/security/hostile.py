"""The hostile side of a connection: listeners, receivers and resolvers."""

import socket
import socketserver
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

Script = Callable[["Talk"], None]

NAME = "photos.example"  # the name that the resolvers below answer for


@dataclass
class Talk:
    """A connection as a script sees it."""

    socket: socket.socket
    done: threading.Event  # set when the test is over

    def say(self, *parts: bytes) -> None:
        for part in parts:
            self.socket.sendall(part)

    def drip(self, part: bytes, *, every: float = 0.05) -> None:
        """Send the same bytes again and again, with pauses."""
        while not self.done.wait(every):
            self.say(part)

    def flood(self, part: bytes) -> None:
        """Send the same bytes as fast as the other side takes them."""
        while not self.done.is_set():
            self.say(part)


@dataclass
class Listener:
    """A listening server, and the connections it received."""

    host: str
    port: int
    connections: list[Any] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    def done(self) -> None:
        """End every running script."""
        self.ended.set()

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}/a.png"


@contextmanager
def listening(script: Script, *, host: str = "127.0.0.1", port: int = 0) -> Iterator[Listener]:
    """Play a script to each client that has sent the first bytes of a request."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            listener.connections.append(self.client_address)
            with suppress(OSError):
                self.request.recv(65536)
                script(Talk(self.request, listener.ended))

    class Server(socketserver.ThreadingTCPServer):
        request_queue_size = 128
        daemon_threads = True
        allow_reuse_address = True

    with Server((host, port), Handler) as server:
        listener = Listener(host, server.server_address[1])
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield listener
        finally:
            listener.done()
            server.shutdown()
            thread.join()


def answering(body: bytes = b"", head: str = "HTTP/1.1 200 OK") -> Script:
    """Return a script that sends one well-formed answer."""
    whole = f"{head}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    return lambda talk: talk.say(whole)


@dataclass
class Resolver:
    """A resolver that changes its mind: each call returns the next answer, in a cycle.

    It replaces `socket.getaddrinfo`, the outermost edge, for NAME only.
    """

    answers: Sequence[Sequence[str]]
    calls: int = 0
    held: threading.Event | None = None  # if set, every answer waits for it

    def __post_init__(self) -> None:
        self._real = socket.getaddrinfo

    def __call__(self, host: str | bytes, port: Any, *more: Any, **named: Any) -> list[Any]:
        name = host.decode() if isinstance(host, bytes) else host
        if name is None or not name.endswith(NAME):
            return self._real(host, port, *more, **named)
        answer = self.answers[self.calls % len(self.answers)]
        self.calls += 1
        if self.held is not None:
            self.held.wait(60)
        if not answer:
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        return [_row(address, port or 0) for address in answer]


def _row(address: str, port: int) -> tuple[Any, ...]:
    if ":" in address:
        return socket.AF_INET6, socket.SOCK_STREAM, 6, "", (address, port, 0, 0)
    return socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)
