"""Traces are sent if a collector is configured, and cost nothing otherwise."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from core.telemetry.tracer import Tracer
from core.telemetry.tracing import make_tracer


def test_without_a_collector_there_are_no_traces_and_nothing_is_loaded() -> None:
    program = """
import sys
import api.__main__, core.telemetry.tracer
from api.app import create_app
from core.settings import Settings
app = create_app(Settings(_env_file=None, REDIS_URL="redis://127.0.0.1:1/0"))
# Not all of OpenTelemetry: redis-py loads its metrics by itself if they are installed.
TRACING = ("core.telemetry.otel", "opentelemetry.sdk.trace.export", "opentelemetry.exporter")
assert type(app.state.services.tracer) is core.telemetry.tracer.Tracer
print([name for name in sys.modules if name.startswith(TRACING)])
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.stdout, done.returncode) == ("[]\n", 0), done.stderr


def test_what_keeps_no_traces_does_nothing() -> None:
    tracer = make_tracer("", "api")
    assert type(tracer) is Tracer
    with tracer.request("GET", {}) as on_response:
        assert tracer.traceparent() is None
        on_response("/v1/edits", 200)
    trace = tracer.attempt("edit_1", 1, "zoo")
    trace.enter_stage("editing")
    trace.finish("succeeded")
    tracer.close()


def test_a_collector_without_the_packages_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "core.telemetry.otel", None)  # importing it fails
    with pytest.raises(RuntimeError, match=r"baret\[tracing\]"):
        make_tracer("http://127.0.0.1:1", "api")


@pytest.fixture
def collector() -> Iterator[tuple[str, list[tuple[str, bytes]]]]:
    """A server that accepts everything: its URL, and the paths and bodies it received."""
    received: list[tuple[str, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append((self.path, self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}/", received
        running.shutdown()
        thread.join()


def test_spans_reach_the_collector_at_the_latest_when_the_process_ends(
    collector: tuple[str, list[tuple[str, bytes]]],
) -> None:
    url, received = collector
    tracer = make_tracer(url, "worker")
    with tracer.request("GET", {}) as on_response:
        on_response("/v1/edits", 200)
    tracer.close()
    ((path, body),) = received
    assert path == "/v1/traces"
    assert b"GET /v1/edits" in body
    assert b"baret-worker" in body
