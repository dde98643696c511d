"""A model hub on this machine that serves one folder, as the hub's client asks for it."""

import hashlib
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class FakeHub:
    """Serves a folder as any repository, and notes which files were asked for.

    Attributes:
        url: for `HF_ENDPOINT`.
        served: paths of files whose contents were sent.
    """

    def __init__(self, folder: Path):
        self.served: set[str] = set()
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_HEAD(self) -> None:
                self._answer(body=False)

            def do_GET(self) -> None:
                self._answer(body=True)

            def _answer(self, *, body: bool) -> None:
                path = urlsplit(self.path).path
                if path.startswith("/api/models/"):
                    data = json.dumps(_listing(folder, tree="/tree/" in path)).encode()
                else:
                    name = path.partition("/resolve/")[2].partition("/")[2]
                    if not (folder / name).is_file():
                        self.send_error(404)
                        return
                    data = (folder / name).read_bytes()
                    hub.served |= {name} if body else set()
                self.send_response(200)
                self.send_header("Content-Length", str(len(data)))
                self.send_header("X-Repo-Commit", COMMIT)
                self.send_header("ETag", f'"{hashlib.sha256(data).hexdigest()}"')
                self.end_headers()
                if body:
                    self.wfile.write(data)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


def _listing(folder: Path, *, tree: bool) -> Any:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    names = [path.relative_to(folder).as_posix() for path in files]
    if tree:
        return [
            {"type": "file", "path": name, "size": path.stat().st_size, "oid": "0" * 40}
            for name, path in zip(names, files, strict=True)
        ]
    return {
        "id": "some-org/some-model",
        "sha": COMMIT,
        "siblings": [{"rfilename": name} for name in names],
    }
