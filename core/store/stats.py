"""What is counted of the service in Redis, for whoever watches it.

Every process counts there, so the figures survive any of them and are the same from each.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import redis

from core.store import keys
from core.store.connection import redis_errors
from core.store.presence import redis_now, running, serving


@dataclass(frozen=True)
class Queue:
    """One model's edits."""

    model: str
    waiting: int
    oldest_seconds: float  # that the edit next in line has waited; 0 where none does
    running: int
    workers: int  # live ones


@dataclass(frozen=True)
class ServiceStats:
    """A look at everything."""

    queues: tuple[Queue, ...]
    ended: dict[tuple[str, str], int]  # (model, status) → edits
    spent: dict[tuple[str, str], float]  # (model, stage) → seconds of edits that succeeded
    deliveries_due: int  # webhooks that wait for a try
    attempted: dict[str, int]  # "delivered", "pending" (tried again) or "failed" → attempts


class StatsReader:
    """Looks. Its methods block for milliseconds and are thread-safe.

    Raises:
        StoreUnavailable: Redis does not answer.
    """

    def __init__(self, client: redis.Redis):
        # The library's types cannot say that decode_responses makes every answer text.
        self._redis: Any = client

    @redis_errors()
    def read(self) -> ServiceStats:
        """Now."""
        return ServiceStats(
            tuple(self._queues()),
            {_pair(name): int(count) for name, count in self._redis.hgetall(keys.ENDED).items()},
            {_pair(name): float(s) for name, s in self._redis.hgetall(keys.STAGE_SECONDS).items()},
            self._deliveries_due(),
            {name: int(count) for name, count in self._redis.hgetall(keys.ATTEMPTED).items()},
        )

    def _queues(self) -> Iterator[Queue]:
        now = redis_now(self._redis)
        serve, run = serving(self._redis), running(self._redis)
        for model in sorted(self._redis.hkeys(keys.MODELS)):
            first = self._redis.zrange(keys.waiting(model), 0, 0, withscores=True)
            yield Queue(
                model,
                waiting=self._redis.zcard(keys.waiting(model)),
                oldest_seconds=max(0.0, now - first[0][1] / 1000) if first else 0.0,
                running=run.count(model),
                workers=serve.count(model),
            )

    def _deliveries_due(self) -> int:
        with self._redis.pipeline(transaction=False) as together:
            for receiver in self._redis.zrange(keys.LANES, 0, -1):
                together.zcard(keys.lane(receiver))
            return sum(together.execute())


def _pair(name: str) -> tuple[str, str]:
    model, what = name.rsplit(" ", 1)
    return model, what
