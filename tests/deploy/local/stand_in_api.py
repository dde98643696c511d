"""The smallest API that the stack can start, with one edit of a given status."""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

STATUS = sys.argv[2]  # the final status of every edit, or "not ready"
IMAGE = b"the picture after"


class Handler(BaseHTTPRequestHandler):
    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        edit = {
            "status": STATUS,
            "outputs": [{"url": "/picture"}],
            "warnings": [{"detail": "A word is unknown."}],
            "error": {"code": "timeout"},
        }
        ready = b'{"workers": %d}' % (STATUS != "not ready")
        answers = {"/readyz": ready, "/picture": IMAGE}
        self._answer(200, answers.get(self.path, json.dumps(edit).encode()))

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(202, b'{"id": "edit_1"}')


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
