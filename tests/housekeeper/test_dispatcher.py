"""Many webhooks to real receivers."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from ipaddress import ip_network
from typing import Any

import pytest
import redis

from core.outbound.client import safe_client
from core.outbound.ip_policy import IpPolicy
from core.store import keys
from core.store.batches import Batches
from core.store.connection import connect
from core.store.edits import EditStore
from core.webhooks.queue import Deliveries
from core.webhooks.secrets import HookSecrets
from housekeeper.dispatcher import MAX_PER_RECEIVER, WebhookDispatcher
from housekeeper.sender import WebhookSender
from tests.support.receiver import Receiver, running_receiver
from tests.support.waiting import PATIENCE

LOOPBACK = IpPolicy(allow=(ip_network("127.0.0.0/8"),))
HOUR = 3600

Scene = Callable[[WebhookDispatcher], Coroutine[Any, Any, None]]


@pytest.fixture
def play(
    store: EditStore, deliveries: Deliveries, batches: Batches, hook_secrets: HookSecrets
) -> Callable[[Scene], None]:
    """Return a function that runs a scene with a dispatcher."""

    async def played(scene: Scene) -> None:
        async with safe_client(LOOPBACK, timeout=PATIENCE) as client:
            sender = WebhookSender(store, batches, hook_secrets, client, LOOPBACK, timeout=PATIENCE)
            await scene(WebhookDispatcher(deliveries, sender, shutdown_seconds=PATIENCE))

    return lambda scene: asyncio.run(played(scene))


@pytest.fixture
def other() -> Iterator[Receiver]:
    with running_receiver() as running:
        yield running


@pytest.fixture
def end(store: EditStore, submit: Callable[..., str]) -> Callable[[str], str]:
    """Return a function that ends an edit whose webhook goes to a URL."""

    def make(url: str) -> str:
        edit_id = submit(webhook_url=url)
        store.cancel(edit_id, caller="local")
        return edit_id

    return make


@pytest.fixture
def due(redis_url: str) -> Iterator[Callable[[], int]]:
    """Return a function that counts the webhooks that are not settled."""
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        yield lambda: sum(
            client.zcard(keys.lane(name)) for name in client.zrange(keys.LANES, 0, -1)
        )


async def until(look: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not look():
            await asyncio.sleep(0.01)


def test_a_slow_receiver_gets_few_at_once_and_delays_no_other(
    play: Callable[[Scene], None],
    end: Callable[[str], str],
    receiver: Receiver,
    other: Receiver,
    due: Callable[[], int],
) -> None:
    receiver.held["/slow"] = threading.Event()
    for _ in range(3 * MAX_PER_RECEIVER):
        end(f"{receiver.url}/slow")
    for _ in range(3 * MAX_PER_RECEIVER):
        end(f"{other.url}/quick")

    async def scene(dispatcher: WebhookDispatcher) -> None:
        stop = asyncio.Event()
        running = asyncio.create_task(dispatcher.run(stop))
        await until(lambda: len(other.received) == 3 * MAX_PER_RECEIVER)
        await until(lambda: len(receiver.received) == MAX_PER_RECEIVER)
        receiver.held["/slow"].set()
        await until(lambda: due() == 0)
        stop.set()
        await running

    play(scene)
    assert len(receiver.received) == 3 * MAX_PER_RECEIVER


def test_a_receiver_that_is_down_for_three_hours_loses_nothing(
    play: Callable[[Scene], None],
    end: Callable[[str], str],
    receiver: Receiver,
    due: Callable[[], int],
    let_time_pass: Callable[[float], None],
    deliveries: Deliveries,
) -> None:
    receiver.answers["/hook"] = (503, {})
    edits = [end(f"{receiver.url}/hook") for _ in range(6)]
    tried = 0

    async def passing(dispatcher: WebhookDispatcher, hours: float) -> None:
        """Send minute by minute, like a dispatcher that never sleeps."""
        for _ in range(round(hours * 60)):
            let_time_pass(60)
            await dispatcher.send_due()
            await settled(dispatcher)

    async def settled(dispatcher: WebhookDispatcher) -> None:
        def quiet() -> bool:
            return not dispatcher.busy

        await until(quiet)
        await dispatcher.send_due()  # what was over the limits before
        await until(quiet)

    async def scene(dispatcher: WebhookDispatcher) -> None:
        nonlocal tried
        await passing(dispatcher, 3)
        tried = len(receiver.received)
        receiver.answers.clear()
        assert due() == len(edits)
        await passing(dispatcher, 6)
        assert due() == 0

    play(scene)
    # At once, and after 5 s, 5 min, 30 min and 2 h: in three hours five attempts each.
    assert tried == 5 * len(edits)
    arrived = [one.headers["webhook-id"] for one in receiver.received[tried:]]
    assert sorted(arrived) == sorted(deliveries.of(edit)[0].id for edit in edits)
    assert {len(deliveries.of(edit)[0].attempts) for edit in edits} == {6}


def test_attempts_under_way_end_before_it_stops(
    play: Callable[[Scene], None],
    end: Callable[[str], str],
    receiver: Receiver,
    due: Callable[[], int],
) -> None:
    receiver.held["/slow"] = threading.Event()
    end(f"{receiver.url}/slow")

    async def scene(dispatcher: WebhookDispatcher) -> None:
        stop = asyncio.Event()
        running = asyncio.create_task(dispatcher.run(stop))
        await until(lambda: len(receiver.received) == 1)
        stop.set()
        receiver.held["/slow"].set()
        await running

    play(scene)
    assert due() == 0


def test_without_redis_it_goes_on_trying(
    batches: Batches, hook_secrets: HookSecrets, store: EditStore
) -> None:
    async def scene() -> None:
        async with safe_client(LOOPBACK, timeout=1) as client:
            sender = WebhookSender(store, batches, hook_secrets, client, LOOPBACK)
            dispatcher = WebhookDispatcher(Deliveries(connect("redis://127.0.0.1:1/0")), sender)
            stop = asyncio.Event()
            running = asyncio.create_task(dispatcher.run(stop))
            await asyncio.sleep(0.5)
            assert not running.done()
            stop.set()
            await running

    asyncio.run(scene())
