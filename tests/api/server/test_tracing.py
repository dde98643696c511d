"""A request is a span, and the edit that it creates carries its trace."""

from collections.abc import Callable, Iterator

import pytest
from fastapi.testclient import TestClient
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode, format_trace_id

from api.app import create_app
from core.schema import Model
from core.settings import Settings
from core.store.edits import EditStore
from core.telemetry.otel import OtelTracer

# The example of W3C Trace Context, 3.2.
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"


@pytest.fixture
def spans() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def traced(
    settings: Settings, store: EditStore, model: Model, spans: InMemorySpanExporter
) -> Iterator[TestClient]:
    """Make a client of a service that records traces."""
    store.announce("worker-1", model)
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    app = create_app(settings, tracer=OtelTracer(provider))

    @app.get("/broken/{name}")
    def broken(name: str) -> None:
        raise RuntimeError("the password is redis://secret")

    with TestClient(app) as client:
        yield client


def test_each_request_is_a_span_named_by_its_route(
    traced: TestClient, spans: InMemorySpanExporter
) -> None:
    for path in ("/v1/models", "/v1/edits/edit_1?wait=0", "/nothing/here", "/broken/glass"):
        traced.get(path)
    recorded = [(span.name, (span.attributes or {})) for span in spans.get_finished_spans()]
    assert [(name, attributes["http.response.status_code"]) for name, attributes in recorded] == [
        ("GET /v1/models", 200),
        ("GET /v1/edits/{edit_id}", 404),
        ("GET none", 404),
        ("GET /broken/{name}", 500),
    ]
    assert {attributes["http.request.method"] for _, attributes in recorded} == {"GET"}
    *well, broken = spans.get_finished_spans()
    assert all(span.kind is SpanKind.SERVER for span in well)
    assert all(span.status.status_code is StatusCode.UNSET for span in well)
    assert broken.status.status_code is StatusCode.ERROR
    assert "secret" not in broken.to_json()


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_probes_are_no_spans(traced: TestClient, spans: InMemorySpanExporter, path: str) -> None:
    assert traced.get(path).status_code == 200
    assert spans.get_finished_spans() == ()


def test_an_edit_carries_the_trace_of_its_request(
    traced: TestClient,
    spans: InMemorySpanExporter,
    store: EditStore,
    make_image: Callable[..., bytes],
) -> None:
    answer = traced.post(
        "/v1/edits",
        data={"prompt": "a cat that nobody may see"},
        files={"image": make_image()},
        headers={"traceparent": PARENT},
    )
    (span,) = spans.get_finished_spans()
    assert span.context is not None
    assert format_trace_id(span.context.trace_id) == TRACE
    carried = store.get(answer.json()["id"]).submission.traceparent
    assert carried == f"00-{TRACE}-{span.context.span_id:016x}-01"
    assert "nobody" not in span.to_json()


@pytest.mark.parametrize("wrong", ["", "00-0-0-01", "x" * 5000])
def test_a_traceparent_that_is_none_begins_a_trace(
    traced: TestClient, spans: InMemorySpanExporter, wrong: str
) -> None:
    assert traced.get("/v1/models", headers={"traceparent": wrong}).status_code == 200
    (span,) = spans.get_finished_spans()
    assert span.parent is None
