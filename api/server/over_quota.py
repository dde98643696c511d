"""Keys that have used up their requests a minute: refused again at once, without asking Redis.

What a refusal costs bounds how much a key that ignores its refusals can slow down others.
"""

import asyncio
import time
from dataclasses import dataclass

from fastapi.security.utils import get_authorization_scheme_param
from starlette.datastructures import Headers
from starlette.types import Scope

from api.problems.errors import RateLimited
from api.server.headers import EXTRA_HEADERS
from core.access.credentials import hash_of

# `Retry-After` is a whole second at least, so this refuses nobody who waits for it. A revoked key,
# or one whose limit has grown, is answered as such no later than this.
REFUSED_SECONDS = 1.0
MAX_HELD = 1000  # answers that wait at a time; any more are sent at once
MAX_KEYS = 10_000  # more are not remembered: each costs what its first refusal did


@dataclass(frozen=True)
class _Refusal:
    error: RateLimited
    headers: dict[str, str]
    until: float  # by the monotonic clock


class OverQuota:
    """The keys and tokens that were refused within the last second; used in one event loop only."""

    def __init__(self, *, seconds: float = REFUSED_SECONDS, max_held: int = MAX_HELD) -> None:
        """Set for how long a refusal is remembered, and how many answers wait at a time."""
        self._seconds, self._max_held = seconds, max_held
        self._refusals: dict[str, _Refusal] = {}  # by the hash of the key, the oldest first
        self._held = 0

    def note(self, key_hash: str, error: RateLimited, headers: dict[str, str]) -> None:
        """Remember a refusal and the headers that came with it."""
        self._forget_old()
        if len(self._refusals) < MAX_KEYS:
            until = time.monotonic() + self._seconds
            self._refusals.pop(key_hash, None)  # the oldest stays first
            self._refusals[key_hash] = _Refusal(error, headers, until)

    async def check(self, scope: Scope, *, is_held: bool = True) -> None:
        """Refuse a request whose key was refused a moment ago, when that moment is over.

        Until then the answer waits: a client that sends again at once, whenever it is refused, is
        slowed down to a pace that costs little. One that has waited elsewhere need not be held.

        Raises:
            RateLimited: as before.
        """
        refusal = self._refusal(scope)
        if refusal is None:
            return
        scope[EXTRA_HEADERS].update(refusal.headers)
        if is_held and self._held < self._max_held:
            self._held += 1
            try:
                await asyncio.sleep(max(0.0, refusal.until - time.monotonic()))
            finally:
                self._held -= 1
        raise refusal.error

    def _refusal(self, scope: Scope) -> _Refusal | None:
        if not self._refusals:
            return None
        scheme, key = get_authorization_scheme_param(Headers(scope=scope).get("authorization"))
        refusal = self._refusals.get(hash_of(key)) if scheme.lower() == "bearer" else None
        return refusal if refusal and refusal.until > time.monotonic() else None

    def _forget_old(self) -> None:
        now = time.monotonic()
        while self._refusals:
            oldest = next(iter(self._refusals))
            if self._refusals[oldest].until > now:
                return
            del self._refusals[oldest]
