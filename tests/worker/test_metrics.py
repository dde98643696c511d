from prometheus_client import REGISTRY

from baret.engine.engine import Call
from worker.metrics import CallMetrics


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def test_calls_are_counted_by_model_and_kind() -> None:
    metrics = CallMetrics("some-model")
    metrics.record(Call(edits=3, rows=10, gradient=True, seconds=0.5, waited=0.2))
    metrics.record(Call(edits=1, rows=1, gradient=False, seconds=0.1, waited=0.0))
    gradient = {"model": "some-model", "gradient": "true"}
    assert value("baret_unet_seconds_total", **gradient) == 0.5
    assert value("baret_unet_call_rows_sum", **gradient) == 10
    assert value("baret_unet_call_edits_sum", model="some-model") == 4
    assert value("baret_unet_wait_seconds_sum", model="some-model") == 0.2
