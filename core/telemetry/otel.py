"""Traces by OpenTelemetry. Imported only if a collector is configured.

`core.telemetry.tracer` has the interface. Spans hold nothing that a caller sent: no prompt, no
path, no key.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from core.telemetry.tracer import AttemptTrace, OnResponse, Tracer

_SERVER_ERROR = 500
_W3C = TraceContextTextMapPropagator()


def otlp_tracer(endpoint: str, part: str) -> Tracer:
    """Return a tracer that sends spans to `endpoint` over OTLP/HTTP.

    Everything else is configured by the `OTEL_…` variables.
    """
    exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces")
    provider = TracerProvider(resource=Resource.create({SERVICE_NAME: f"baret-{part}"}))
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return OtelTracer(provider)


class OtelTracer(Tracer):
    """A tracer that records spans with the given provider, and closes it at the end."""

    def __init__(self, provider: TracerProvider):
        self._provider = provider
        self._tracer = provider.get_tracer("baret")

    @contextmanager
    def request(self, method: str, headers: Mapping[str, str]) -> Iterator[OnResponse]:
        """Open a span named by method and route (OpenTelemetry's conventions for HTTP)."""
        context = _W3C.extract({"traceparent": headers.get("traceparent", "")})
        with self._tracer.start_as_current_span(
            method,
            context,
            kind=SpanKind.SERVER,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            span.set_attribute("http.request.method", method)

            def on_response(route: str, status: int) -> None:
                span.update_name(f"{method} {route}")
                span.set_attribute("http.route", route)
                span.set_attribute("http.response.status_code", status)
                if status >= _SERVER_ERROR:
                    span.set_status(Status(StatusCode.ERROR))

            yield on_response

    def traceparent(self) -> str | None:
        """Return the current span, or None outside of any."""
        carrier: dict[str, str] = {}
        _W3C.inject(carrier)
        return carrier.get("traceparent")

    def attempt(self, edit_id: str, number: int, model: str) -> AttemptTrace:
        """Start recording an attempt.

        Its spans are made at its end, with the recorded times: their parent is known only then.
        """
        attributes: dict[str, str | int] = {
            "baret.edit": edit_id,
            "baret.attempt": number,
            "baret.model": model,
        }
        return _OtelAttempt(self._tracer, attributes)

    def close(self) -> None:
        """Send what is still buffered. Waits a few seconds for the collector at most."""
        self._provider.shutdown()


class _OtelAttempt(AttemptTrace):
    """The record of an attempt: a span for the wait, and one for the attempt with its stages."""

    def __init__(self, tracer: trace.Tracer, attributes: dict[str, str | int]):
        self._tracer, self._attributes = tracer, attributes
        self._started = time.time_ns()
        self._traceparent: str | None = None
        self._queued_at: datetime | None = None
        self._code: str | None = None
        self._stages: list[tuple[str, int]] = []

    def link(self, traceparent: str | None, queued_at: datetime) -> None:
        self._traceparent, self._queued_at = traceparent, queued_at

    def enter_stage(self, name: str) -> None:
        if not self._stages or self._stages[-1][0] != name:
            self._stages.append((name, time.time_ns()))

    def record_failure(self, code: str) -> None:
        self._code = code

    def finish(self, outcome: str) -> None:
        ended = time.time_ns()
        parent = _W3C.extract({"traceparent": self._traceparent or ""})
        if self._queued_at is not None:
            queued = int(self._queued_at.timestamp() * 1e9)
            self._span("queued", parent, queued, max(queued, self._started))
        span = self._tracer.start_span(
            "edit",
            parent,
            kind=SpanKind.CONSUMER,
            attributes=self._attributes | {"baret.outcome": outcome},
            start_time=self._started,
        )
        if self._code is not None:
            span.set_attribute("error.type", self._code)
            span.set_status(Status(StatusCode.ERROR))
        inside = trace.set_span_in_context(span)
        ends = [began for _, began in self._stages[1:]] + [ended]
        for (name, began), end in zip(self._stages, ends, strict=False):
            self._span(name, inside, began, end)
        span.end(ended)

    def _span(self, name: str, context: Context, began: int, ended: int) -> None:
        attributes = {"baret.edit": self._attributes["baret.edit"]}
        span = self._tracer.start_span(name, context, attributes=attributes, start_time=began)
        span.end(ended)
