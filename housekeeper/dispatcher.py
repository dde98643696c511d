"""Sends due webhooks: many at once, but few at once to one receiver."""

import asyncio
from collections import Counter
from contextlib import suppress

from core.errors import StoreUnavailable
from core.telemetry.logs import edit_log_context, get_logger
from core.webhooks.queue import Deliveries, Delivery
from housekeeper.sender import WebhookSender

log = get_logger("housekeeper")

MAX_AT_ONCE = 96  # below the 100 connections that the client opens
MAX_PER_RECEIVER = 4  # at once, so that a slow receiver leaves room for the others
# At once, while at least half of all places are taken: one caller can name any number of receivers.
MAX_PER_CALLER = 24
POLL_SECONDS = 0.2  # between two looks for due webhooks
SHUTDOWN_SECONDS = 3.0  # that attempts in progress may still take after a signal to stop


class WebhookDispatcher:
    """Claims due webhooks and sends them until it is stopped."""

    def __init__(
        self,
        deliveries: Deliveries,
        sender: WebhookSender,
        *,
        shutdown_seconds: float = SHUTDOWN_SECONDS,
    ):
        """Use the webhooks of a store and a sender."""
        self._deliveries, self._sender = deliveries, sender
        self._shutdown_seconds = shutdown_seconds
        self._in_progress: dict[asyncio.Task[None], Delivery] = {}

    @property
    def busy(self) -> bool:
        """Return whether attempts are in progress."""
        return bool(self._in_progress)

    async def run(self, stop: asyncio.Event) -> None:
        """Send what is due until `stop` is set."""
        while not stop.is_set():
            try:
                await self.send_due()
            except StoreUnavailable:
                pass  # maintenance logs the outage
            except Exception:
                log.exception("cannot claim webhooks; trying again")
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), POLL_SECONDS)
        await self._shut_down()

    async def _shut_down(self) -> None:
        """Let attempts end; the others are made again once their lease has expired."""
        tasks = list(self._in_progress)
        if tasks:
            await asyncio.wait(tasks, timeout=self._shutdown_seconds)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def send_due(self) -> None:
        """Start every delivery that is due, as far as the limits allow."""
        while len(self._in_progress) < MAX_AT_ONCE:
            delivery = await asyncio.to_thread(self._deliveries.take, self._at_limit())
            if delivery is None:
                return
            task = asyncio.create_task(self._send(delivery))
            self._in_progress[task] = delivery
            task.add_done_callback(self._in_progress.pop)

    def _at_limit(self) -> list[str]:
        """Return the receivers and callers that have as many attempts in progress as allowed."""
        in_progress = self._in_progress.values()
        receivers = Counter(delivery.receiver for delivery in in_progress)
        at_limit = [name for name, count in receivers.items() if count >= MAX_PER_RECEIVER]
        if len(in_progress) >= MAX_AT_ONCE // 2:
            callers = Counter(delivery.caller for delivery in in_progress)
            at_limit += [name for name, count in callers.items() if count >= MAX_PER_CALLER]
        return at_limit

    async def _send(self, delivery: Delivery) -> None:
        with edit_log_context(delivery.subject_id):
            try:
                outcome = await self._sender.send(delivery)
                await asyncio.to_thread(self._deliveries.settle, delivery, outcome)
            except StoreUnavailable:
                log.warning("webhook not settled: Redis does not answer; it will be sent again")
                return
            except Exception:
                log.exception("webhook not sent; it will be tried again")
                return
            log.info(
                "webhook",
                type=delivery.type.value,
                outcome=outcome.attempt.error or outcome.attempt.status,
                tries=delivery.tries,
            )
