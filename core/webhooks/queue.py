"""The queue and the log of webhook deliveries.

Deliveries wait in lanes, one per caller and receiver; a receiver is a URL's scheme and authority.
In Redis the field `receiver` of a delivery holds its lane. The scripts create deliveries when an
edit's status moves or a batch ends, and delete them with the edit or the batch.
"""

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import redis

from core.errors import DeliveryNotFound
from core.ids import is_batch_id
from core.schema import BatchEvent, WebhookEvent
from core.store import keys
from core.store.connection import UNREADABLE, Scripts, redis_errors
from core.telemetry.logs import get_logger
from core.webhooks.schema import DeliveryAttempt, DeliveryStatus, WebhookDelivery

log = get_logger(__name__)

LEASE_SECONDS = 60.0  # longer than a webhook's timeout
MAX_LOGGED_ATTEMPTS = 20  # per delivery


@dataclass(frozen=True)
class Delivery:
    """A webhook that is due; `id` is the `webhook-id`, the same on every attempt."""

    id: str
    subject_id: str  # of the edit or the batch that it is about
    type: WebhookEvent | BatchEvent
    url: str
    caller: str
    receiver: str
    created_at: datetime
    tries: int  # attempts of its schedule, this one included
    taken: int  # how often it was claimed: tells an attempt from one before a replay


@dataclass(frozen=True)
class Outcome:
    """The outcome of an attempt."""

    attempt: DeliveryAttempt
    status: DeliveryStatus
    retry_after: float | None = None  # seconds; None: no more attempts
    gone: bool = False  # nothing more of this edit or batch is to be sent


class Deliveries:
    """The queue and the log of webhook deliveries.

    Raises:
        StoreUnavailable: from any method, when Redis does not answer.
    """

    def __init__(self, client: redis.Redis):
        # The library's types cannot say that decode_responses makes every answer text.
        self._redis: Any = client
        self._run = Scripts(client).run

    @redis_errors()
    def take(self, busy: Collection[str] = ()) -> Delivery | None:
        """Claim the delivery that has been due longest.

        If it is not settled within a minute, it becomes due again.

        Args:
            busy: receivers and callers whose deliveries must wait for now.
        """
        names = json.dumps(dict.fromkeys(busy, True))
        lease = int(LEASE_SECONDS * 1000)
        while claimed := self._run("claim_delivery", lease, names):
            delivery_id, fields, lane = claimed
            try:
                return _delivery(delivery_id, dict(zip(fields[::2], fields[1::2], strict=True)))
            except UNREADABLE as error:
                log.error("dropped an unreadable delivery", reason=type(error).__name__)
                self._run("drop_delivery", delivery_id, lane)
        return None

    @redis_errors()
    def settle(self, delivery: Delivery, outcome: Outcome) -> None:
        """Record an attempt's outcome, and when the next one is due."""
        retry_ms = "" if outcome.retry_after is None else int(outcome.retry_after * 1000)
        self._run(
            "settle_delivery",
            delivery.id,
            delivery.taken,
            outcome.attempt.model_dump_json(),
            outcome.status.value,
            retry_ms,
            "gone" if outcome.gone else "",
            MAX_LOGGED_ATTEMPTS,
        )

    @redis_errors()
    def of(self, edit_id: str) -> list[WebhookDelivery]:
        """Return the deliveries of an edit, the oldest first. Progress events leave none."""
        deliveries = (self._get(delivery_id) for delivery_id in _ids(edit_id))
        return sorted((one for one in deliveries if one), key=lambda one: one.created_at)

    @redis_errors()
    def replay(self, delivery_id: str, edit_id: str) -> WebhookDelivery:
        """Make a delivery due now, under the same id, and restart its schedule.

        Raises:
            DeliveryNotFound: no delivery of this edit has this id.
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
            created_at=_time(fields["created_ms"]),
            status=fields["status"],
            next_attempt_at=None if due is None else _time(due),
            attempts=[DeliveryAttempt.model_validate_json(text) for text in attempts],
        )


def _delivery(delivery_id: str, fields: dict[str, str]) -> Delivery:
    caller, _, receiver = fields["receiver"].rpartition(" ")
    subject_id = fields["edit"]
    kind: type[WebhookEvent | BatchEvent] = BatchEvent if is_batch_id(subject_id) else WebhookEvent
    return Delivery(
        id=delivery_id,
        subject_id=subject_id,
        type=kind(fields["type"]),
        url=fields["url"],
        caller=caller,
        receiver=receiver,
        created_at=_time(fields["created_ms"]),
        tries=int(fields["tries"]),
        taken=int(fields["taken"]),
    )


def _ids(edit_id: str) -> list[str]:
    """Return the ids of all deliveries that an edit can have (`delivery_id` in the prelude)."""
    logged = [event for event in WebhookEvent if event is not WebhookEvent.PROGRESS]
    bare = edit_id.removeprefix("edit_")
    return [f"msg_{bare}_{event.removeprefix('edit.')}" for event in logged]


def _time(ms: str | float) -> datetime:
    return datetime.fromtimestamp(int(ms) / 1000, UTC)
