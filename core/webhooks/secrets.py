"""The secrets that sign a caller's webhooks: one is current, replaced ones sign for a day more.

Key: `baret:webhook-secrets:<caller>` secret → when it ends, the current one never.
"""

import base64
import math
import secrets
from datetime import UTC, datetime, timedelta

import redis

from core.store.connection import Scripts, redis_errors
from core.webhooks.schema import WebhookSecret

OVERLAP = timedelta(hours=24)
MAX_SECRETS = 5  # that sign at once, however often a caller rotates


class HookSecrets:
    """Secrets of callers, made when first asked for.

    Raises:
        StoreUnavailable: from any method, when Redis does not answer.
    """

    def __init__(self, client: redis.Redis):
        self._run = Scripts(client).run

    def current(self, caller: str, *, now: datetime | None = None) -> WebhookSecret:
        """The caller's secret."""
        return _shown(self._known(caller, now))

    def rotate(self, caller: str, *, now: datetime | None = None) -> WebhookSecret:
        """A new secret; the one before it signs beside it for `OVERLAP`."""
        return _shown(self._known(caller, now, rotate=True))

    def signing(self, caller: str, *, now: datetime | None = None) -> list[str]:
        """Every secret that signs now, the current one first."""
        return [secret for secret, _ in self._known(caller, now)]

    @redis_errors()
    def _known(
        self, caller: str, now: datetime | None, *, rotate: bool = False
    ) -> list[tuple[str, float]]:
        """(secret, when it ends in ms)."""
        fresh = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
        found = self._run(
            "webhook_secrets",
            caller,
            fresh,
            "rotate" if rotate else "",
            int((now or datetime.now(UTC)).timestamp() * 1000),
            int(OVERLAP.total_seconds() * 1000),
            MAX_SECRETS,
        )
        return [(name, float(ends)) for name, ends in zip(found[::2], found[1::2], strict=True)]


def _shown(known: list[tuple[str, float]]) -> WebhookSecret:
    ends = known[1][1] if len(known) > 1 else math.inf
    return WebhookSecret(
        secret=known[0][0],
        previous_expires_at=datetime.fromtimestamp(ends / 1000, UTC) if ends < math.inf else None,
    )
