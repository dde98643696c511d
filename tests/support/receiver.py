"""A local webhook receiver that records requests and answers by path."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from httpx import Headers

from tests.support.waiting import PATIENCE


@dataclass(frozen=True)
class Received:
    path: str
    headers: Headers
    body: bytes


@dataclass
class Receiver:
    """A running receiver; `url` is its root.

    A path answers with 204, or with its (status, headers) in `answers`. A path in `held` answers
    once its event is set.
    """

    url: str
    received: list[Received] = field(default_factory=list)
    answers: dict[str, tuple[int, dict[str, str]]] = field(default_factory=dict)
    held: dict[str, threading.Event] = field(default_factory=dict)

    def at(self, path: str) -> list[Received]:
        """Return the requests to a path, in order."""
        return [one for one in self.received if one.path == path]


@contextmanager
def running_receiver(address: str = "127.0.0.1") -> Iterator[Receiver]:
    """Run a receiver on a free port of an address of this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            receiver.received.append(Received(self.path, Headers(self.headers.items()), body))
            if self.path in receiver.held:
                receiver.held[self.path].wait(PATIENCE)
            status, headers = receiver.answers.get(self.path, (204, {}))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer((address, 0), Handler) as server:
        receiver = Receiver(f"http://{address}:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join()
