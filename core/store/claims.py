"""What workers do with edits: claim one, keep the claim alive, and publish its end."""

import json
from dataclasses import dataclass
from typing import Any

from core.errors import StaleAttempt
from core.schema import EditStatus, Result, Stage
from core.store.connection import RedisStore, redis_errors

LEASE_SECONDS = 12.0  # a worker that does not renew its lease for this long is lost
EVENT_PAUSE_SECONDS = 0.25  # at least, between two progress events of an edit
WEBHOOK_PAUSE_SECONDS = 0.5  # at least, between two progress webhooks of an edit


@dataclass(frozen=True)
class Claim:
    """An attempt at an edit. `token` is its fencing token: the number of the attempt."""

    id: str
    token: int


class ClaimStore(RedisStore):
    """The workers' part of `EditStore`."""

    @redis_errors()
    def claim(self, model: str) -> Claim | None:
        """Claim the edit whose turn it is among those that wait for this model, under a lease."""
        claimed = self._run("claim", model, int(LEASE_SECONDS * 1000))
        return Claim(claimed[0], int(claimed[1])) if claimed else None

    @redis_errors()
    def report(self, claim: Claim, stage: Stage, progress: float) -> bool:
        """Record the attempt's progress and renew its lease.

        Returns:
            Whether the caller has requested cancellation.

        Raises:
            StaleAttempt: another attempt holds the lease.
        """
        return self._report(claim, stage.value, progress)

    @redis_errors()
    def preview(self, claim: Claim, data: dict[str, Any]) -> None:
        """Publish a small image of the attempt's state, unless its lease has gone."""
        self._run("preview", claim.id, claim.token, json.dumps(data))

    @redis_errors()
    def renew(self, claim: Claim) -> None:
        """Renew the lease alone.

        Raises:
            StaleAttempt: another attempt holds the lease.
        """
        self._report(claim, "", 0.0)

    def _report(self, claim: Claim, stage: str, progress: float) -> bool:
        times = (LEASE_SECONDS, EVENT_PAUSE_SECONDS, WEBHOOK_PAUSE_SECONDS)
        in_ms = [int(seconds * 1000) for seconds in times]
        outcome = self._run("report", claim.id, claim.token, stage, progress, *in_ms)
        _check_held(claim, outcome)
        return bool(outcome == "cancel")

    @redis_errors()
    def finish(
        self,
        claim: Claim,
        status: EditStatus,
        *,
        result: Result | None = None,
        error: dict[str, Any] | None = None,
    ) -> None:
        """Publish the attempt's end: record, event and webhook in one move.

        Raises:
            StaleAttempt: another attempt holds the lease; nothing was published.
        """
        outcome = self._run(
            "finish",
            claim.id,
            claim.token,
            status.value,
            result.model_dump_json() if result else "",
            json.dumps(error) if error else "",
        )
        _check_held(claim, outcome)

    @redis_errors()
    def hand_back(self, claim: Claim) -> None:
        """Queue the attempt's edit again, uncounted, because its worker is leaving."""
        self._run("hand_back", claim.id, claim.token)


def _check_held(claim: Claim, outcome: str) -> None:
    if outcome == "stale":
        raise StaleAttempt(f"Attempt {claim.token} no longer holds {claim.id}.")
