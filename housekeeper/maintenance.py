"""The rounds of the housekeeper, and its process.

It queues the edits of lost workers again, sends lost messages again, expires edits, deletes their
images and sends webhooks. Several may run at once.
"""

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial

from celery import Celery
from kombu.exceptions import OperationalError

from core.broker.app import make_celery, queue_name, signal_waiting
from core.errors import StoreUnavailable
from core.ids import is_edit_id
from core.images.keys import is_deletable_prefix
from core.images.storage import ImageStorage
from core.outbound.client import safe_client
from core.outbound.ip_policy import IpPolicy
from core.problems import WORKER_LOST, edit_problem
from core.settings import Settings
from core.store.batches import Batches
from core.store.claims import LEASE_SECONDS
from core.store.connection import connect
from core.store.edits import EditStore
from core.store.housekeeping import MAX_ATTEMPTS
from core.telemetry.logs import configure_logs, edit_log_context, get_logger
from core.webhooks.queue import Deliveries
from core.webhooks.secrets import HookSecrets
from housekeeper.dispatcher import WebhookDispatcher
from housekeeper.sender import TIMEOUT, WebhookSender

log = get_logger("housekeeper")

Notify = Callable[[str, str], None]  # sends the message of (model, edit id)

ROUND_SECONDS = 1.0
# An edit that has waited this long although its queue is empty has lost its message.
LOST_MESSAGE_SECONDS = 5.0
MAX_MESSAGES = 100  # sent again in one round, per model
MAX_EXPIRED = 100  # edits that one round expires, or whose images it deletes
THREADS = 128  # every call of Redis needs one, and every attempt at a webhook makes some

LOST = edit_problem(
    WORKER_LOST, f"The edit was tried {MAX_ATTEMPTS} times and its worker was lost each time."
).model_dump(exclude_none=True)


def reclaim_edits(store: EditStore, notify: Notify) -> None:
    """Queue the edits of lost workers again, or fail them after their last attempt."""
    for edit_id, model, status in store.reclaim_expired_leases(LOST):
        with edit_log_context(edit_id):
            log.warning("worker lost", now=status.value)
        if status == "queued":
            notify(model, edit_id)


def resend_lost_messages(store: EditStore, notify: Notify) -> None:
    """Send messages again for edits that wait although their queue is empty."""
    for model in store.models():
        if store.messages(queue_name(model)):
            continue
        for edit_id in store.waiting(model, longer_than=LOST_MESSAGE_SECONDS, limit=MAX_MESSAGES):
            if not is_edit_id(edit_id):
                log.warning("removed from the queue: not an edit id", model=model)
                store.unqueue(model, edit_id)
                continue
            log.info("message sent again", edit=edit_id)
            notify(model, edit_id)


def expire(store: EditStore) -> None:
    """Expire the edits that have reached their end of retention."""
    for edit_id in store.expire(limit=MAX_EXPIRED):
        log.info("expired", edit=edit_id)


def expire_batches(batches: Batches) -> None:
    """Stop batches at their deadline, and delete what is left of those whose time has come."""
    for batch_id in batches.expire():
        log.warning("a batch has reached its deadline", batch=batch_id)


def delete_images(store: EditStore, files: ImageStorage) -> None:
    """Delete the images of edits that have expired or were deleted."""
    for _ in range(MAX_EXPIRED):
        prefix = store.claim_deletion()
        if prefix is None:
            return
        if is_deletable_prefix(prefix):
            files.delete(prefix)
        else:  # such as "", the prefix of everything
            log.warning("not deleted: not a prefix of images", prefix=prefix)
        store.confirm_deletion(prefix)


async def maintain_edits(
    app: Celery, store: EditStore, batches: Batches, stop: asyncio.Event
) -> None:
    """Reclaim, notify and expire until `stop` is set."""
    reclaim_from = 0.0

    def notify(model: str, edit_id: str) -> None:
        signal_waiting(app, model, edit_id)

    async def run_once() -> list[str | None]:
        nonlocal reclaim_from
        started = time.monotonic()
        outages = [await _run_chore(store.ping)]
        if outages[0]:
            # Workers cannot renew their leases either. Let them do so before any is reclaimed.
            reclaim_from = started + LEASE_SECONDS / 2
        elif started >= reclaim_from:
            outages.append(await _run_chore(partial(reclaim_edits, store, notify)))
        chores = (
            partial(resend_lost_messages, store, notify),
            partial(expire, store),
            partial(expire_batches, batches),
        )
        return outages + [await _run_chore(chore) for chore in chores]

    await _run_every_round(run_once, stop)


async def maintain_images(store: EditStore, files: ImageStorage, stop: asyncio.Event) -> None:
    """Delete images until `stop` is set.

    Runs beside `maintain_edits`, so that a slow object store does not delay edits.
    """

    async def run_once() -> list[str | None]:
        return [await _run_chore(partial(delete_images, store, files))]

    await _run_every_round(run_once, stop)


async def _run_every_round(
    run_once: Callable[[], Awaitable[list[str | None]]], stop: asyncio.Event
) -> None:
    """Call `run_once` every `ROUND_SECONDS`; it returns why stores did not answer."""
    reachable = True
    while not stop.is_set():
        started = time.monotonic()
        outage = next((reason for reason in await run_once() if reason), None)
        if outage and reachable:  # logged once per outage
            log.warning("a store does not answer; trying again", reason=outage)
        reachable = not outage
        pause = max(0.05, ROUND_SECONDS - (time.monotonic() - started))
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), pause)


async def _run_chore(chore: Callable[[], None]) -> str | None:
    """Run a chore, whose failure must not stop the others.

    Returns:
        Why a store did not answer, or None.
    """
    try:
        await asyncio.to_thread(chore)
    except (StoreUnavailable, OperationalError) as error:
        return str(error)
    except Exception:
        log.exception("a chore failed; the next round tries again")
    return None


async def main(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT."""
    configure_logs(level=settings.log_level, form=settings.log_format, part="housekeeper")
    stop = asyncio.Event()
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(THREADS))
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    log.info("started")
    redis = connect(settings.broker_url)
    policy = IpPolicy(settings.allow_networks, settings.deny_networks)
    batches = Batches(redis)
    store, files = EditStore(redis), ImageStorage(settings.images_url)
    async with safe_client(policy, timeout=TIMEOUT) as client:
        sender = WebhookSender(store, batches, HookSecrets(redis), client, policy)
        await asyncio.gather(
            maintain_edits(make_celery(settings.broker_url), store, batches, stop),
            maintain_images(store, files, stop),
            WebhookDispatcher(Deliveries(redis), sender).run(stop),
        )
