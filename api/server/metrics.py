"""What Prometheus is told at `/metrics`.

Times of requests are this process's own; everything of edits is counted in Redis, so each API
process tells the same: take one of them, or the maximum.
"""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from starlette.types import Scope

from core.store.stats import ServiceStats, StatsReader

# Whoever calls may make methods up; each label of them would be kept for good.
KNOWN_METHODS = frozenset(
    {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"}
)
UNROUTED = "none"  # requests for what there is not: their paths are anybody's


def route_of(scope: Scope) -> str:
    """The route that answers, as its pattern."""
    route: str = getattr(scope.get("route"), "path", UNROUTED)
    return route


def method_of(scope: Scope) -> str:
    """The method, if HTTP knows it."""
    method: str = scope["method"]
    return method if method in KNOWN_METHODS else "other"


class Metrics:
    """One application's metrics."""

    def __init__(self, stats: StatsReader):
        """Watch a service."""
        self.registry = CollectorRegistry()
        self._requests = Histogram(
            "baret_http_request_seconds",
            "Seconds from a request's first byte to its answer's last.",
            ["method", "route", "status"],
            registry=self.registry,
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
        )
        self.registry.register(_OfEdits(stats))

    def count(self, scope: Scope, status: int, seconds: float) -> None:
        """Take in an answered request."""
        self._requests.labels(method_of(scope), route_of(scope), str(status)).observe(seconds)


class _OfEdits:
    """Looks into Redis whenever it is asked."""

    def __init__(self, stats: StatsReader):
        self._watch = stats

    def describe(self) -> Iterator[Metric]:
        """Nothing beforehand: Redis may not be there yet."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """A look at all edits.

        Raises:
            StoreUnavailable: Redis does not answer.
        """
        return _families(self._watch.read())


def _families(figures: ServiceStats) -> Iterator[Metric]:
    for name, about, values in (
        ("baret_queue_edits", "Edits that wait.", [q.waiting for q in figures.queues]),
        (
            "baret_queue_oldest_seconds",
            "Seconds that the edit next in line has waited.",
            [q.oldest_seconds for q in figures.queues],
        ),
        ("baret_running_edits", "Edits that run.", [q.running for q in figures.queues]),
        ("baret_workers", "Live workers.", [q.workers for q in figures.queues]),
    ):
        gauge = GaugeMetricFamily(name, about, labels=["model"])
        for queue, value in zip(figures.queues, values, strict=True):
            gauge.add_metric([queue.model], value)
        yield gauge
    ended = CounterMetricFamily("baret_edits", "Edits that ended.", labels=["model", "status"])
    for (model, status), count in figures.ended.items():
        ended.add_metric([model, status], count)
    yield ended
    spent = CounterMetricFamily(
        "baret_stage_seconds", "Seconds of edits that succeeded.", labels=["model", "stage"]
    )
    for (model, stage), seconds in figures.stage_seconds.items():
        spent.add_metric([model, stage], seconds)
    yield spent
    attempted = CounterMetricFamily(
        "baret_webhook_attempts",
        "Attempts to send a webhook; pending ones are tried again.",
        labels=["outcome"],
    )
    for outcome, count in figures.attempted.items():
        attempted.add_metric([outcome], count)
    yield attempted
    due = GaugeMetricFamily("baret_webhooks_due", "Webhooks that wait to be sent.")
    due.add_metric([], figures.deliveries_due)
    yield due
