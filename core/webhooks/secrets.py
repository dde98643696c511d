"""The secrets that sign a caller's webhooks: the current one, and replaced ones for another day."""

import base64
import math
import secrets
from datetime import UTC, datetime, timedelta

import redis

from core.store.connection import Scripts, redis_errors
from core.webhooks.schema import WebhookSecret

OVERLAP = timedelta(hours=24)
MAX_SECRETS = 5  # that sign at the same time, however often a caller rotates


class HookSecrets:
    """The secrets of all callers, made when first needed.

    Raises:
        StoreUnavailable: from any method, when Redis does not answer.
    """

    def __init__(self, client: redis.Redis):
        self._run = Scripts(client).run

    def current(self, caller: str, *, now: datetime | None = None) -> WebhookSecret:
        """Return the caller's current secret."""
        return _resource(self._secrets(caller, now))

    def rotate(self, caller: str, *, now: datetime | None = None) -> WebhookSecret:
        """Make a new secret; the previous one also signs for `OVERLAP`."""
        return _resource(self._secrets(caller, now, rotate=True))

    def signing(self, caller: str, *, now: datetime | None = None) -> list[str]:
        """Return all secrets that sign now, the current one first."""
        return [secret for secret, _ in self._secrets(caller, now)]

    @redis_errors()
    def _secrets(
        self, caller: str, now: datetime | None, *, rotate: bool = False
    ) -> list[tuple[str, float]]:
        """Return (secret, its end in ms), the current one first."""
        new = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
        values = self._run(
            "webhook_secrets",
            caller,
            new,
            "rotate" if rotate else "",
            int((now or datetime.now(UTC)).timestamp() * 1000),
            int(OVERLAP.total_seconds() * 1000),
            MAX_SECRETS,
        )
        return [(secret, float(end)) for secret, end in zip(values[::2], values[1::2], strict=True)]


def _resource(signing: list[tuple[str, float]]) -> WebhookSecret:
    ends = signing[1][1] if len(signing) > 1 else math.inf
    return WebhookSecret(
        secret=signing[0][0],
        previous_expires_at=datetime.fromtimestamp(ends / 1000, UTC) if ends < math.inf else None,
    )
