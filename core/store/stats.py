"""Statistics of the service, read from Redis.

All processes count there, so the numbers survive each of them and are the same from every one.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import redis

from core.schema import ModelState
from core.store import keys
from core.store.connection import redis_errors


@dataclass(frozen=True)
class QueueStats:
    """One model's queue."""

    model: str
    waiting: int
    waiting_batch: int  # of those, batch edits
    oldest_seconds: float  # that the first of them has waited; 0 if none waits
    running: int
    workers: int  # live ones
    loading: int  # workers that are loading the model
    cold_start_seconds: float | None  # that its last worker took to start; None if unknown
    load_seconds: float | None  # that a live worker took to load it last; None if unknown
    load_error: str | None  # why a live worker could not load it; None if none failed
    state: ModelState


@dataclass(frozen=True)
class ServiceStats:
    """The statistics at one moment."""

    queues: tuple[QueueStats, ...]
    workers: int  # live ones, whatever they have loaded
    ended: dict[tuple[str, str], int]  # (model, status) → edits
    stage_seconds: dict[tuple[str, str], float]  # (model, stage) → seconds of succeeded edits
    deliveries_due: int  # webhooks that wait for an attempt
    worker_versions: tuple[str, ...]  # of live workers, each once
    attempted: dict[str, int]  # "delivered", "pending" (tried again) or "failed" → attempts


class StatsReader:
    """Reads statistics. Its methods block for milliseconds and are thread-safe.

    Raises:
        StoreUnavailable: Redis does not answer.
    """

    def __init__(self, client: redis.Redis):
        # The library's types cannot say that decode_responses makes every answer text.
        self._redis: Any = client

    @redis_errors()
    def read(self) -> ServiceStats:
        """Return the current statistics."""
        ended, seconds, attempted = (
            self._redis.hgetall(key) for key in (keys.ENDED, keys.STAGE_SECONDS, keys.ATTEMPTED)
        )
        return ServiceStats(
            queues=tuple(self._queues()),
            workers=live_workers(self._redis),
            ended={_pair(name): int(count) for name, count in ended.items()},
            stage_seconds={_pair(name): float(s) for name, s in seconds.items()},
            deliveries_due=self._deliveries_due(),
            worker_versions=self._worker_versions(),
            attempted={status: int(count) for status, count in attempted.items()},
        )

    def _queues(self) -> Iterator[QueueStats]:
        now = redis_now(self._redis)
        served, running = served_models(self._redis), running_models(self._redis)
        loading, starts = loading_models(self._redis), self._redis.hgetall(keys.COLD_STARTS)
        loads, errors = self._redis.hgetall(keys.LOAD_SECONDS), load_errors(self._redis)
        states = model_states(self._redis)
        for model in sorted({*self._redis.hkeys(keys.MODELS), *errors}):
            first = self._redis.zrange(keys.waiting(model), 0, 0, withscores=True)
            yield QueueStats(
                model,
                waiting=self._redis.zcard(keys.waiting(model)),
                waiting_batch=self._redis.zcard(keys.batch_turns(model)),
                oldest_seconds=max(0.0, now - first[0][1] / 1000) if first else 0.0,
                running=running.count(model),
                workers=served.count(model),
                loading=loading.count(model),
                cold_start_seconds=float(starts[model]) if model in starts else None,
                load_seconds=float(loads[model]) if model in loads else None,
                load_error=errors.get(model),
                state=states.get(model, ModelState.SLEEPING),
            )

    def _worker_versions(self) -> tuple[str, ...]:
        live = self._redis.zrange(keys.WORKERS, redis_now(self._redis), "+inf", byscore=True)
        versions = self._redis.hgetall(keys.WORKER_VERSIONS)
        return tuple(sorted({versions[member] for member in live if member in versions}))

    def _deliveries_due(self) -> int:
        with self._redis.pipeline(transaction=False) as pipeline:
            for lane in self._redis.zrange(keys.LANES, 0, -1):
                pipeline.zcard(keys.lane(lane))
            return sum(pipeline.execute())


def redis_now(client: Any) -> float:
    """Return Redis's clock in seconds: leases, queues and announcements go by it."""
    seconds, microseconds = client.time()
    return float(seconds) + float(microseconds) / 1e6


def served_models(client: Any) -> list[str]:
    """Return the models that live workers have loaded, one name per worker."""
    return [model for _, model in _announced(client, keys.WORKERS)]


def live_workers(client: Any) -> int:
    """Return how many workers are live, whether they have a model loaded or would load one."""
    served, standby = _announced(client, keys.WORKERS), _announced(client, keys.STANDBY)
    return len({worker for worker, _ in served + standby})


def load_errors(client: Any) -> dict[str, str]:
    """Return why live workers could not load models, by model."""
    failed = _announced(client, keys.LOAD_FAILED)
    try:
        reasons = client.hgetall(keys.LOAD_ERRORS) if failed else {}
    except redis.ResponseError:
        return {}
    return {model: reasons.get(f"{worker} {model}", "") for worker, model in failed}


def model_states(client: Any) -> dict[str, ModelState]:
    """Return the states of the models that workers announce; any other model sleeps."""
    states = dict.fromkeys(load_errors(client), ModelState.FAILED)
    standby = [model for _, model in _announced(client, keys.STANDBY)]
    states |= dict.fromkeys(standby, ModelState.SLEEPING)
    states |= dict.fromkeys(loading_models(client), ModelState.LOADING)
    return states | dict.fromkeys(served_models(client), ModelState.READY)


def _announced(client: Any, key: str) -> list[tuple[str, str]]:
    """Return (worker, model) of a sorted set of announcements that count now."""
    try:
        members = client.zrange(key, redis_now(client), "+inf", byscore=True)
    except redis.ResponseError:
        return []  # not a sorted set: no reason to refuse edits
    parts = (member.partition(" ") for member in members)
    return [(worker, model) for worker, _, model in parts if model]


def loading_models(client: Any) -> list[str]:
    """Return the models that workers are loading, one name per worker."""
    try:
        entries = client.zrange(keys.LOADING, redis_now(client), "+inf", byscore=True)
    except redis.ResponseError:
        return []  # not a sorted set: no reason to refuse edits
    return [entry.split(" ", 2)[2] for entry in entries if entry.count(" ") >= 2]


def running_models(client: Any) -> list[str | None]:
    """Return the models of running edits, one per edit; None for one that was just deleted."""
    with client.pipeline(transaction=False) as pipeline:
        for edit_id in client.zrange(keys.RUNNING, 0, -1):
            pipeline.hget(keys.edit(edit_id), "model")
        models: list[str | None] = pipeline.execute()
    return models


def _pair(name: str) -> tuple[str, str]:
    model, other = name.rsplit(" ", 1)
    return model, other
