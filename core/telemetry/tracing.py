"""Traces from a request through the queue to its edit, where a collector is named.

This is the seam: without a collector nothing of OpenTelemetry is imported and every method here
does nothing. `core.telemetry.otel` has the other half.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime

# Tells a request's route and status, once they are known.
Answered = Callable[[str, int], None]


class AttemptTrace:
    """What is noted of one attempt at an edit."""

    def asked(self, traceparent: str | None, queued_at: datetime) -> None:
        """The edit belongs to this trace, and has waited since then."""

    def stage(self, name: str) -> None:
        """This stage runs now."""

    def failed(self, code: str) -> None:
        """The edit has failed with this code."""

    def ended(self, outcome: str) -> None:
        """The attempt is over, and this came of it."""


class Tracer:
    """Keeps no traces."""

    @contextmanager
    def request(self, method: str, headers: Mapping[str, str]) -> Iterator[Answered]:
        """A span around a request, in the caller's trace where `traceparent` names one."""
        yield lambda route, status: None

    def traceparent(self) -> str | None:
        """The span around the caller, to be continued elsewhere (W3C Trace Context)."""
        return None

    def attempt(self, edit_id: str, number: int, model: str) -> AttemptTrace:
        """Notes of an attempt that begins now."""
        return AttemptTrace()

    def close(self) -> None:
        """Send what is not sent yet."""


def make_tracer(endpoint: str, part: str) -> Tracer:
    """The tracer of a process.

    Args:
        endpoint: the collector's, as OTEL_EXPORTER_OTLP_ENDPOINT names it; empty: no traces.
        part: of the service: `api`, `worker`.

    Raises:
        RuntimeError: a collector is named, and OpenTelemetry is not installed.
    """
    if not endpoint:
        return Tracer()
    try:
        from core.telemetry.otel import otlp_tracer  # noqa: PLC0415 - none of its cost without a collector
    except ImportError as error:
        raise RuntimeError(
            "OTEL_EXPORTER_OTLP_ENDPOINT is set, but OpenTelemetry is not installed: "
            "pip install 'baret[tracing]', or unset it."
        ) from error
    return otlp_tracer(endpoint, part)
