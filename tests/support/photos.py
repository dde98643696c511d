"""A server of one photo under any path, for edits that name their photo by its address."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


class Photos:
    """The server; paths with `missing` answer 404. It notes every path that was fetched."""

    def __init__(self, image: bytes):
        fetched: list[str] = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                fetched.append(self.path)
                self.send_response(404 if "missing" in self.path else 200)
                self.send_header("Content-Length", str(len(image)))
                self.end_headers()
                self.wfile.write(image)

            def log_message(self, *_: object) -> None:
                pass

        self.fetched = fetched
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@contextmanager
def serving_photos(image: bytes) -> Iterator[Photos]:
    """Serve a photo on a free loopback port."""
    photos = Photos(image)
    thread = Thread(target=photos.server.serve_forever)
    thread.start()
    try:
        yield photos
    finally:
        photos.server.shutdown()
        thread.join()
        photos.server.server_close()
