"""The rate limit of each key, counted in Redis for all processes together.

The window slides (`limits`' sliding-window counter): an approximation that needs two counters per
key and does not let twice the quota through around the turn of a minute.
"""

import math
from dataclasses import dataclass

import redis
from limits import RateLimitItem, RateLimitItemPerSecond
from limits.storage import RedisStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from core.store import keys
from core.store.connection import redis_errors

WINDOW_SECONDS = 60


@dataclass(frozen=True)
class Allowance:
    """A key's allowance after a request."""

    allowed: bool
    quota: int  # requests in any WINDOW_SECONDS
    remaining: int
    resets_in: int  # seconds until `remaining` grows


class RateLimiter:
    """Counts requests. Blocks for milliseconds and is thread-safe."""

    def __init__(self, client: redis.Redis):
        self._storage = RedisStorage(
            "redis://", connection_pool=client.connection_pool, key_prefix=keys.RATES
        )
        self._limiter = SlidingWindowCounterRateLimiter(self._storage)

    @redis_errors()
    def take(self, key_id: str, quota: int) -> Allowance:
        """Count one request of a key, if its quota allows one.

        Raises:
            StoreUnavailable: Redis does not answer.
            StoreFull: Redis has no room to count.
        """
        item = RateLimitItemPerSecond(quota, WINDOW_SECONDS)
        allowed = self._limiter.hit(item, key_id)
        remaining, resets_in = self._remaining(item, key_id)
        return Allowance(allowed, quota, remaining if allowed else 0, max(1, math.ceil(resets_in)))

    def _remaining(self, item: RateLimitItem, key_id: str) -> tuple[int, float]:
        """Return how many requests are left, and the seconds until there are more.

        The library's own `get_window_stats` returns "now" in a window's first millisecond.
        """
        window = item.get_expiry()
        previous, previous_left, current, current_left = self._storage.get_sliding_window(
            item.key_for(key_id), window
        )
        used = math.floor(previous * previous_left / window) + current
        resets_in = current_left - window  # once it is the previous window, its count decays
        if previous:  # whose count decays already, by one request per `pace` seconds
            pace = window / previous
            resets_in = min(resets_in, previous_left % pace or pace)
        return max(0, item.amount - used), resets_in
