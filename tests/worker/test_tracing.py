"""One trace from the request through the queue to the stages of each attempt."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from api.app import create_app
from baret.errors import OutOfMemory
from core.schema import Model, Stage
from core.settings import Settings
from core.store.edits import EditStore
from core.telemetry.otel import OtelTracer
from tests.support.watched_editor import Failing
from worker.runner import Runner

MakeRunner = Callable[..., Runner]


@pytest.fixture
def spans() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def tracer(spans: InMemorySpanExporter) -> OtelTracer:
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    return OtelTracer(provider)


@pytest.fixture
def post(
    redis_url: str,
    tmp_path: Path,
    store: EditStore,
    model: Model,
    sample: bytes,
    tracer: OtelTracer,
) -> Iterator[Callable[[], str]]:
    """Asks a service that keeps traces for an edit: its id."""
    settings = Settings(
        _env_file=None,
        REDIS_URL=redis_url,
        data_dir=tmp_path,
        store_url="",
        allowed_hosts="testserver",
    )
    store.announce("worker-1", model)

    def ask() -> str:
        fields = {"prompt": "a cat that nobody may see", "num_inference_steps": "10"}
        answer = client.post("/v1/edits", data=fields, files={"image": sample})
        assert answer.status_code == 202
        edit_id: str = answer.json()["id"]
        return edit_id

    with TestClient(create_app(settings, tracer=tracer)) as client:
        yield ask


def id_of(span: ReadableSpan) -> int:
    assert span.context is not None
    return span.context.span_id


def parent_of(span: ReadableSpan) -> int | None:
    return None if span.parent is None else span.parent.span_id


def test_an_edit_is_one_trace_from_its_request_to_its_stages(
    post: Callable[[], str],
    make_runner: MakeRunner,
    editor: Any,
    tracer: OtelTracer,
    spans: InMemorySpanExporter,
) -> None:
    edit_id = post()
    assert make_runner(editor, tracer=tracer).run_next() == edit_id
    made = {span.name: span for span in spans.get_finished_spans()}
    stages = [stage for stage in Stage if stage is not Stage.DETAILING]  # which nobody asked for
    assert set(made) == {"POST /v1/edits", "queued", "edit", *stages}
    assert len({span.context.trace_id for span in made.values() if span.context}) == 1
    request, attempt = made["POST /v1/edits"], made["edit"]
    assert parent_of(request) is None
    assert parent_of(made["queued"]) == parent_of(attempt) == id_of(request)
    assert attempt.kind is SpanKind.CONSUMER
    assert attempt.attributes == {
        "baret.edit": edit_id,
        "baret.attempt": 1,
        "baret.model": "zoo",
        "baret.outcome": "succeeded",
    }
    made_stages = [made[stage] for stage in stages]
    assert {parent_of(stage) for stage in made_stages} == {id_of(attempt)}
    times = [time for stage in made_stages for time in (stage.start_time, stage.end_time)]
    assert times == sorted(times, key=lambda time: time or 0)
    assert attempt.end_time == times[-1]
    assert all("nobody" not in span.to_json() for span in made.values())


def test_a_failed_attempt_tells_its_code_and_nothing_of_the_inside(
    post: Callable[[], str],
    make_runner: MakeRunner,
    tracer: OtelTracer,
    spans: InMemorySpanExporter,
) -> None:
    post()
    make_runner(Failing(OutOfMemory("secret")), tracer=tracer).run_next()
    (attempt,) = (span for span in spans.get_finished_spans() if span.name == "edit")
    assert attempt.status.status_code is StatusCode.ERROR
    assert (attempt.attributes or {})["error.type"] == "out_of_memory"
    assert (attempt.attributes or {})["baret.outcome"] == "failed"
    assert "secret" not in attempt.to_json()


def test_attempts_at_an_edit_whose_request_kept_no_trace_begin_one(
    submit: Callable[..., str],
    make_runner: MakeRunner,
    editor: Any,
    tracer: OtelTracer,
    spans: InMemorySpanExporter,
) -> None:
    submit()
    make_runner(editor, tracer=tracer).run_next()
    (attempt,) = (span for span in spans.get_finished_spans() if span.name == "edit")
    assert attempt.parent is None
