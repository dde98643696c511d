"""The metrics that Prometheus scrapes at `/metrics`.

Request times are this process's own. Everything about edits is counted in Redis, so each API
process reports the same values: scrape one of them, or take the maximum.
"""

from collections.abc import Iterable, Iterator, Sequence

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from starlette.types import Scope

from api.server.fair_share import USED_UP, FairShare
from core.store.stats import ServiceStats, StatsReader

# Clients can invent methods, and Prometheus would keep a label for each of them forever.
KNOWN_METHODS = frozenset(
    {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"}
)
UNROUTED = "none"  # for paths without a route, which clients can invent too


def route_of(scope: Scope) -> str:
    """Return the pattern of the route that answers."""
    route: str = getattr(scope.get("route"), "path", UNROUTED)
    return route


def method_of(scope: Scope) -> str:
    """Return the method, or "other" if HTTP does not define it."""
    method: str = scope["method"]
    return method if method in KNOWN_METHODS else "other"


class MetricsRegistry:
    """One application's metrics."""

    def __init__(self, stats: StatsReader, pools: Iterable[FairShare]):
        self.registry = CollectorRegistry()
        self._requests = Histogram(
            "baret_http_request_seconds",
            "Seconds from a request's first byte to its answer's last.",
            ["method", "route", "status"],
            registry=self.registry,
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
        )
        self.registry.register(_EditCollector(stats))
        self.registry.register(_PoolCollector(tuple(pools)))

    def count(self, scope: Scope, status: int, seconds: float) -> None:
        """Count an answered request."""
        self._requests.labels(method_of(scope), route_of(scope), str(status)).observe(seconds)


class _EditCollector:
    """Reads the statistics from Redis at each scrape."""

    def __init__(self, stats: StatsReader):
        self._stats = stats

    def describe(self) -> Iterator[Metric]:
        """Describe nothing in advance: Redis may not be up yet."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """Read the current metrics of all edits.

        Raises:
            StoreUnavailable: Redis does not answer.
        """
        return _families(self._stats.read())


# Attributes of a pool.
GAUGES = {
    "slots": "Slots that all callers share.",
    "in_use": "Slots in use.",
    "waiting": "Requests that wait for a slot.",
    "callers_waiting": "Callers with requests that wait for a slot.",
}


def _by_pool(name: str, about: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, about, labels=["pool"])


class _PoolCollector:
    """Reads who is held back in this process, by pool, without labels of callers."""

    def __init__(self, pools: Sequence[FairShare]):
        self._pools = pools

    def describe(self) -> Iterator[Metric]:
        """Describe nothing in advance, as `_EditCollector`."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """Read the current metrics of all pools."""
        gauges = {name: _by_pool(f"baret_share_{name}", about) for name, about in GAUGES.items()}
        for pool in self._pools:
            for name, gauge in gauges.items():
                gauge.add_metric([pool.name], getattr(pool, name))
        yield from gauges.values()
        waited = CounterMetricFamily(
            "baret_share_wait_seconds", "Seconds that requests waited for slots.", labels=["pool"]
        )
        granted = CounterMetricFamily("baret_share_granted", "Slots taken.", labels=["pool"])
        refused = CounterMetricFamily(
            "baret_share_refused",
            "Requests refused because the caller's share or the whole pool was used up.",
            labels=["pool", "used_up"],
        )
        for pool in self._pools:
            waited.add_metric([pool.name], pool.waited_seconds)
            granted.add_metric([pool.name], pool.granted)
            for used_up in USED_UP:
                refused.add_metric([pool.name, used_up], pool.refused[used_up])
        yield from (waited, granted, refused)


def _families(stats: ServiceStats) -> Iterator[Metric]:
    for name, about, values in (
        ("baret_queue_edits", "Edits that wait.", [q.waiting for q in stats.queues]),
        (
            "baret_queue_oldest_seconds",
            "Seconds that the edit queued first has waited.",
            [q.oldest_seconds for q in stats.queues],
        ),
        ("baret_running_edits", "Edits that run.", [q.running for q in stats.queues]),
        ("baret_workers", "Live workers.", [q.workers for q in stats.queues]),
        (
            "baret_workers_loading",
            "Workers that are loading the model.",
            [q.loading for q in stats.queues],
        ),
    ):
        gauge = GaugeMetricFamily(name, about, labels=["model"])
        for queue, value in zip(stats.queues, values, strict=True):
            gauge.add_metric([queue.model], value)
        yield gauge
    ended = CounterMetricFamily("baret_edits", "Edits that ended.", labels=["model", "status"])
    for (model, status), count in stats.ended.items():
        ended.add_metric([model, status], count)
    yield ended
    spent = CounterMetricFamily(
        "baret_stage_seconds", "Seconds of edits that succeeded.", labels=["model", "stage"]
    )
    for (model, stage), seconds in stats.stage_seconds.items():
        spent.add_metric([model, stage], seconds)
    yield spent
    attempted = CounterMetricFamily(
        "baret_webhook_attempts",
        "Attempts to send a webhook; pending ones are tried again.",
        labels=["outcome"],
    )
    for outcome, count in stats.attempted.items():
        attempted.add_metric([outcome], count)
    yield attempted
    due = GaugeMetricFamily("baret_webhooks_due", "Webhooks that wait to be sent.")
    due.add_metric([], stats.deliveries_due)
    yield due
