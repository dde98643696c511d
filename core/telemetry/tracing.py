"""Creates the tracer of a process: OpenTelemetry's if a collector is configured."""

from core.telemetry.tracer import Tracer


def make_tracer(endpoint: str, part: str) -> Tracer:
    """Create the tracer of a process.

    Args:
        endpoint: the collector's address (OTEL_EXPORTER_OTLP_ENDPOINT); empty for no traces.
        part: of the service: `api`, `worker`.

    Raises:
        RuntimeError: a collector is configured, but OpenTelemetry is not installed.
    """
    if not endpoint:
        return Tracer()
    try:
        from core.telemetry.otel import otlp_tracer  # noqa: PLC0415 - costs time and memory
    except ImportError as error:
        raise RuntimeError(
            "OTEL_EXPORTER_OTLP_ENDPOINT is set, but OpenTelemetry is not installed. "
            "Run pip install 'baret[tracing]', or unset the variable."
        ) from error
    return otlp_tracer(endpoint, part)
