"""Traces from a request through the queue to its edit, if a collector is configured.

This module is the seam. Without a collector, nothing of OpenTelemetry is imported and every method
here does nothing. `core.telemetry.otel` has the implementation.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime

# Called with a request's route and status once they are known.
OnResponse = Callable[[str, int], None]


class AttemptTrace:
    """What is recorded of one attempt at an edit."""

    def link(self, traceparent: str | None, queued_at: datetime) -> None:
        """Attach the attempt to the request's trace, and record since when the edit waited."""

    def enter_stage(self, name: str) -> None:
        """Record that this stage runs now."""

    def record_failure(self, code: str) -> None:
        """Record the code that the edit failed with."""

    def finish(self, outcome: str) -> None:
        """Record the end of the attempt and its outcome."""


class Tracer:
    """A tracer that records nothing."""

    @contextmanager
    def request(self, method: str, headers: Mapping[str, str]) -> Iterator[OnResponse]:
        """Open a span around a request, in the caller's trace if `traceparent` names one."""
        yield lambda route, status: None

    def traceparent(self) -> str | None:
        """Return the current span, to be continued elsewhere (W3C Trace Context)."""
        return None

    def attempt(self, edit_id: str, number: int, model: str) -> AttemptTrace:
        """Start recording an attempt."""
        return AttemptTrace()

    def close(self) -> None:
        """Send what is still buffered."""
