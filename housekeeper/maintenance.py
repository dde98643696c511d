"""What must happen even when no worker or client acts.

Edits of lost workers go back into their queue, lost messages are sent again, edits expire,
pictures of deleted ones go, webhooks leave.
Several may run at once; without torch, so the front end's image serves.
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
from core.problems import WORKER_LOST, edit_problem
from core.settings import Settings
from core.store.claims import LEASE_SECONDS
from core.store.connection import connect
from core.store.edits import EditStore
from core.store.housekeeping import MAX_ATTEMPTS
from core.telemetry.logs import configure_logs, edit_log_context, get_logger
from core.webhooks.queue import Deliveries
from core.webhooks.secrets import HookSecrets
from housekeeper.dispatcher import Deliverer
from housekeeper.sender import TIMEOUT, Sender

log = get_logger("housekeeper")

ROUND_SECONDS = 1.0
UNHEARD_SECONDS = (
    5.0  # an edit that has waited this long beside an empty queue has lost its message
)
MAX_SIGNALS = 100  # messages sent again in one round, a model
MAX_EXPIRED = 100  # edits whose pictures are deleted in one round
THREADS = 128  # Redis is asked in threads, by every attempt at a webhook too

LOST = edit_problem(
    WORKER_LOST, f"The edit was tried {MAX_ATTEMPTS} times and its worker was lost each time."
).model_dump(exclude_none=True)


def reclaim_edits(store: EditStore, tell: Callable[[str, str], None]) -> None:
    """Queue the edits of lost workers again, or fail them after their last attempt."""
    for edit_id, model, status in store.reclaim_expired_leases(LOST):
        with edit_log_context(edit_id):
            log.warning("its worker was lost", now=status.value)
        if status == "queued":
            tell(model, edit_id)


def resend_lost_messages(store: EditStore, tell: Callable[[str, str], None]) -> None:
    """Send messages again for edits that wait although their queue is empty."""
    for model in store.models():
        if store.messages(queue_name(model)):
            continue
        for edit_id in store.waiting(model, longer_than=UNHEARD_SECONDS, limit=MAX_SIGNALS):
            if not is_edit_id(edit_id):
                log.warning("no edit, but in a queue: taken out", model=model)
                store.unqueue(model, edit_id)
                continue
            log.info("its message is sent again", edit=edit_id)
            tell(model, edit_id)


def expire(store: EditStore) -> None:
    """Forget the edits whose time has come."""
    for edit_id in store.expire(limit=MAX_EXPIRED):
        log.info("expired", edit=edit_id)


def delete_images(store: EditStore, files: ImageStorage) -> None:
    """Delete the pictures of edits that have expired or were deleted."""
    for _ in range(MAX_EXPIRED):
        prefix = store.claim_deletion()
        if prefix is None:
            return
        if is_deletable_prefix(prefix):
            files.delete(prefix)
        else:  # such as "", under which everything lies
            log.warning("no edit's pictures, but to be deleted: left alone", prefix=prefix)
        store.confirm_deletion(prefix)


async def keep(app: Celery, store: EditStore, stop: asyncio.Event) -> None:
    """Tend the edits until `stop` is set."""
    leases_count_at = 0.0

    def tell(model: str, edit_id: str) -> None:
        signal_waiting(app, model, edit_id)

    async def once() -> list[str | None]:
        nonlocal leases_count_at
        started = time.monotonic()
        reasons = [await _outage(store.ping)]
        if reasons[0]:  # workers cannot renew their leases either; afterwards they do so first
            leases_count_at = started + LEASE_SECONDS / 2
        elif started >= leases_count_at:
            reasons.append(await _outage(partial(reclaim_edits, store, tell)))
        chores = (partial(resend_lost_messages, store, tell), partial(expire, store))
        return reasons + [await _outage(chore) for chore in chores]

    await _run_every_round(once, stop)


async def erase(store: EditStore, files: ImageStorage, stop: asyncio.Event) -> None:
    """Delete pictures until `stop` is set; beside the edits, which wait for no picture store."""

    async def once() -> list[str | None]:
        return [await _outage(partial(delete_images, store, files))]

    await _run_every_round(once, stop)


async def _run_every_round(
    once: Callable[[], Awaitable[list[str | None]]], stop: asyncio.Event
) -> None:
    """Do that every `ROUND_SECONDS`; it tells why stores did not answer."""
    reachable = True
    while not stop.is_set():
        started = time.monotonic()
        away = next((reason for reason in await once() if reason), None)
        if away and reachable:  # said once an outage
            log.warning("a store does not answer; trying on", reason=away)
        reachable = not away
        pause = max(0.05, ROUND_SECONDS - (time.monotonic() - started))
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), pause)


async def _outage(chore: Callable[[], None]) -> str | None:
    """Do a chore, which must not keep the next one from being done: why a store did not answer."""
    try:
        await asyncio.to_thread(chore)
    except (StoreUnavailable, OperationalError) as error:
        return str(error)
    except Exception:
        log.exception("a chore failed; the next round tries again")
    return None


async def main() -> None:
    """Run until SIGTERM or SIGINT."""
    settings = Settings()
    configure_logs(level=settings.log_level, form=settings.log_format, part="housekeeper")
    stop = asyncio.Event()
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(THREADS))
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    log.info("keeping house")
    redis, networks = connect(settings.broker_url), settings.allow_networks
    store, files = EditStore(redis), ImageStorage(settings.images_url)
    async with safe_client(networks, timeout=TIMEOUT) as client:
        sender = Sender(store, HookSecrets(redis), client, networks)
        await asyncio.gather(
            keep(make_celery(settings.broker_url), store, stop),
            erase(store, files, stop),
            Deliverer(Deliveries(redis), sender).run(stop),
        )
