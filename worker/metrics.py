"""Prometheus metrics of the UNet's calls."""

from prometheus_client import Counter, Histogram

from baret.engine.engine import Call

ROWS = Histogram(
    "baret_unet_call_rows",
    "Rows of a UNet call, over all edits in it.",
    ["model", "gradient"],
    buckets=(1, 2, 3, 5, 8, 10, 16, 24, 32, 48, 64, 96, 128),
)
EDITS = Histogram(
    "baret_unet_call_edits",
    "Edits that shared a UNet call.",
    ["model"],
    buckets=(1, 2, 3, 4, 6, 8, 12, 16),
)
SECONDS = Counter("baret_unet_seconds", "Seconds spent in UNet calls.", ["model", "gradient"])
WAITED = Histogram(
    "baret_unet_wait_seconds",
    "Seconds that a call's first request waited for it.",
    ["model"],
    buckets=(0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3),
)


class CallMetrics:
    """The metrics of one model."""

    def __init__(self, model: str):
        self._model = model

    def record(self, call: Call) -> None:
        """Record a call; the engine calls this after each."""
        gradient = str(call.gradient).lower()
        ROWS.labels(self._model, gradient).observe(call.rows)
        EDITS.labels(self._model).observe(call.edits)
        SECONDS.labels(self._model, gradient).inc(call.seconds)
        WAITED.labels(self._model).observe(call.waited)
