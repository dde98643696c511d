"""Webhooks on their way: many at once, few of them to one receiver."""

import asyncio
from collections import Counter
from contextlib import suppress

from core.errors import StoreUnavailable
from core.telemetry.logs import edit_log_context, get_logger
from core.webhooks.queue import Deliveries, Delivery
from housekeeper.sender import Sender

log = get_logger("housekeeper")

MAX_AT_ONCE = 96  # below the 100 connections that the client opens
MAX_TO_ONE = 4  # at once to one receiver, so that one that is slow leaves room for the others
MAX_OF_ONE = 24  # of one caller, once half of all are taken: receivers are named at no cost
LOOK_SECONDS = 0.2  # between two looks for what is due
PARTING_SECONDS = 3.0  # for attempts under way when it is told to stop


class Deliverer:
    """Sends due webhooks until it is told to stop."""

    def __init__(self, deliveries: Deliveries, sender: Sender):
        self._deliveries, self._sender = deliveries, sender
        self._under_way: dict[asyncio.Task[None], Delivery] = {}

    @property
    def busy(self) -> bool:
        """Whether attempts are under way."""
        return bool(self._under_way)

    async def run(self, stop: asyncio.Event) -> None:
        """Send what is due until `stop` is set."""
        while not stop.is_set():
            try:
                await self.send_due()
            except StoreUnavailable:
                pass  # the housekeeper's own round says so
            except Exception:
                log.exception("no webhooks were taken; trying on")
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), LOOK_SECONDS)
        await self._part()

    async def _part(self) -> None:
        """Let attempts end; those that do not are made again, once their lease has run out."""
        tasks = list(self._under_way)
        if tasks:
            await asyncio.wait(tasks, timeout=PARTING_SECONDS)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def send_due(self) -> None:
        """Start every delivery that is due and has room."""
        while len(self._under_way) < MAX_AT_ONCE:
            delivery = await asyncio.to_thread(self._deliveries.take, self._busy())
            if delivery is None:
                return
            task = asyncio.create_task(self._send(delivery))
            self._under_way[task] = delivery
            task.add_done_callback(self._under_way.pop)

    def _busy(self) -> list[str]:
        """Receivers and callers that have all they may have under way."""
        under_way = self._under_way.values()
        receivers = Counter(delivery.receiver for delivery in under_way)
        busy = [receiver for receiver, count in receivers.items() if count >= MAX_TO_ONE]
        if len(under_way) >= MAX_AT_ONCE // 2:
            callers = Counter(delivery.caller for delivery in under_way)
            busy += [caller for caller, count in callers.items() if count >= MAX_OF_ONE]
        return busy

    async def _send(self, delivery: Delivery) -> None:
        with edit_log_context(delivery.edit_id):
            try:
                outcome = await self._sender.send(delivery)
                await asyncio.to_thread(self._deliveries.settle, delivery, outcome)
            except StoreUnavailable:
                log.warning("webhook not settled: Redis does not answer; it is due again soon")
                return
            except Exception:
                log.exception("webhook not sent; it is due again soon")
                return
            log.info(
                "webhook",
                type=delivery.type.value,
                outcome=outcome.attempt.error or outcome.attempt.status,
                tries=delivery.tries,
            )
