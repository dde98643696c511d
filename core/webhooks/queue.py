"""Webhooks that are due, and what came of those that were sent.

Keys: `baret:deliveries:lanes` lanes by when each is due · `baret:deliveries:due:<lane>` its
deliveries by when each is due · `baret:delivery:<id>`, `…:attempts` one of them and its log.
A lane is a caller and a receiver, which is a URL's scheme and authority; a delivery's `receiver`
holds its lane. Deliveries are made where an edit's status moves, and go with the edit.
"""

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import redis

from core.errors import DeliveryNotFound
from core.schema import WebhookEvent
from core.store import keys
from core.store.connection import UNREADABLE, Scripts, redis_errors
from core.telemetry.logs import get_logger
from core.webhooks.schema import DeliveryAttempt, DeliveryStatus, WebhookDelivery

log = get_logger(__name__)

LEASE_SECONDS = 60.0  # above the webhook time-out
MAX_LOGGED_ATTEMPTS = 20  # of a delivery that its log holds


@dataclass(frozen=True)
class Delivery:
    """A webhook that is due; `id` is the `webhook-id`, the same on every attempt."""

    id: str
    edit_id: str
    type: WebhookEvent
    url: str
    caller: str
    receiver: str
    created_at: datetime
    tries: int  # of its schedule, this one included
    taken: int  # never falls; tells an attempt from one before a replay


@dataclass(frozen=True)
class Outcome:
    """What came of an attempt."""

    attempt: DeliveryAttempt
    status: DeliveryStatus
    retry_after: float | None = None  # seconds; None: no more attempts
    gone: bool = False  # nothing more of this edit is to be sent


class Deliveries:
    """The schedule and the log of webhooks.

    Raises:
        StoreUnavailable: from any method, when Redis does not answer.
    """

    def __init__(self, client: redis.Redis):
        # The library's types cannot say that decode_responses makes every answer text.
        self._redis: Any = client
        self._run = Scripts(client).run

    @redis_errors()
    def take(self, busy: Collection[str] = ()) -> Delivery | None:
        """Take the webhook that is due longest; unsettled, it is due again after a minute.

        Args:
            busy: receivers that get no more for now, and callers who send no more.
        """
        names = json.dumps(dict.fromkeys(busy, True))
        lease = int(LEASE_SECONDS * 1000)
        while found := self._run("claim_delivery", lease, names):
            delivery_id, fields, receiver = found
            try:
                return _delivery(delivery_id, dict(zip(fields[::2], fields[1::2], strict=True)))
            except UNREADABLE as error:
                log.error("a delivery cannot be read: dropped", reason=type(error).__name__)
                self._run("drop_delivery", delivery_id, receiver)
        return None

    @redis_errors()
    def settle(self, delivery: Delivery, outcome: Outcome) -> None:
        """Note what came of an attempt, and when the next one is due."""
        again = "" if outcome.retry_after is None else int(outcome.retry_after * 1000)
        self._run(
            "settle_delivery",
            delivery.id,
            delivery.taken,
            outcome.attempt.model_dump_json(),
            outcome.status.value,
            again,
            "gone" if outcome.gone else "",
            MAX_LOGGED_ATTEMPTS,
        )

    @redis_errors()
    def of(self, edit_id: str) -> list[WebhookDelivery]:
        """The deliveries of an edit, the oldest first. Progress events are not kept."""
        found = (self._get(delivery_id) for delivery_id in _ids(edit_id))
        return sorted((one for one in found if one), key=lambda one: one.created_at)

    @redis_errors()
    def replay(self, delivery_id: str, edit_id: str) -> WebhookDelivery:
        """Send a delivery again now, under its own id, its schedule begun anew.

        Raises:
            DeliveryNotFound: the edit has none of this id.
        """
        known = delivery_id in _ids(edit_id) and self._run("replay_delivery", delivery_id)
        delivery = self._get(delivery_id) if known else None
        if delivery is None:
            raise DeliveryNotFound("No delivery of this edit has this id.")
        return delivery

    def _get(self, delivery_id: str) -> WebhookDelivery | None:
        fields = self._redis.hgetall(keys.delivery(delivery_id))
        if not fields:
            return None
        due = None
        if fields["status"] == DeliveryStatus.PENDING:
            due = self._redis.zscore(keys.lane(fields["receiver"]), delivery_id)
        attempts = self._redis.lrange(keys.delivery_attempts(delivery_id), 0, -1)
        return WebhookDelivery(
            id=delivery_id,
            type=fields["type"],
            url=fields["url"],
            created_at=_moment(fields["created_ms"]),
            status=fields["status"],
            next_attempt_at=None if due is None else _moment(due),
            attempts=[DeliveryAttempt.model_validate_json(text) for text in attempts],
        )


def _delivery(delivery_id: str, fields: dict[str, str]) -> Delivery:
    caller, _, receiver = fields["receiver"].rpartition(" ")
    return Delivery(
        id=delivery_id,
        edit_id=fields["edit"],
        type=WebhookEvent(fields["type"]),
        url=fields["url"],
        caller=caller,
        receiver=receiver,
        created_at=_moment(fields["created_ms"]),
        tries=int(fields["tries"]),
        taken=int(fields["taken"]),
    )


def _ids(edit_id: str) -> list[str]:
    """Of every delivery that an edit can have in its log (`delivery_id` in the prelude)."""
    kept = [event for event in WebhookEvent if event is not WebhookEvent.PROGRESS]
    bare = edit_id.removeprefix("edit_")
    return [f"msg_{bare}_{event.removeprefix('edit.')}" for event in kept]


def _moment(ms: str | float) -> datetime:
    return datetime.fromtimestamp(int(ms) / 1000, UTC)
