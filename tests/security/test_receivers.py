"""Webhook receivers that misbehave: each attempt ends in time, and the body is not read."""

import asyncio
import threading
import time
from collections.abc import Callable

import pytest

from core.outbound.client import safe_client
from core.schema import Submission
from core.store.batches import Batches
from core.store.edits import EditStore
from core.webhooks.queue import Deliveries
from core.webhooks.schema import DeliveryError
from core.webhooks.secrets import HookSecrets
from housekeeper.dispatcher import MAX_AT_ONCE, WebhookDispatcher
from housekeeper.sender import WebhookSender
from tests.security.hostile import NAME, Resolver, listening
from tests.security.slow_servers import LOOPBACK, SERVERS
from tests.security.tally import Tally
from tests.support.receiver import running_receiver

USUAL_SECONDS, SECONDS = 15, 0.5  # for receivers that answer, and for those that do not
GRACE = 10  # s of slack for a busy machine; these receivers never stop by themselves

SLOW = {
    "says nothing",
    "drips its head",
    "drips header lines",
    "drips interim answers",
}
# Their heads are complete; the sender does not wait for the rest.
ANSWERED = {
    "drips its body": 200,
    "drips chunks": 200,
    "stalls in the middle": 200,
    "sends a body without end": 200,
    "sends chunks without end": 200,
    "sends crumbs without end": 200,
    "sends a chunk's extension without end": 200,
    "sends trailers without end": 200,
    "states too much": 200,
    "states more than it sends": 200,
    "states less than it sends": 200,
    "sends gzip": 200,
    "sends deflate": 200,
    "sends br": 200,
    "sends zstd": 200,
    "sends gzip in gzip": 200,
    "sends an unknown encoding": 200,
    "answers with status 999": 999,
}


@pytest.fixture
def attempt(
    store: EditStore,
    deliveries: Deliveries,
    batches: Batches,
    hook_secrets: HookSecrets,
    submission: Callable[..., Submission],
) -> Callable[..., object]:
    """Return a function that makes one attempt at a webhook and returns its result."""

    def make(url: str, limit: float = SECONDS) -> object:
        hook_secrets.current("local")
        edit = submission(webhook_url=url)
        store.submit(edit, limit=100)
        store.cancel(edit.id, caller="local")
        due = deliveries.take()
        assert due is not None

        async def once() -> object:
            async with safe_client(LOOPBACK, timeout=limit) as client:
                sender = WebhookSender(
                    store, batches, hook_secrets, client, LOOPBACK, timeout=limit
                )
                outcome = await sender.send(due)
                return outcome.attempt.error or outcome.attempt.status

        return asyncio.run(once())

    return make


@pytest.mark.parametrize("name", SERVERS)
def test_whatever_a_receiver_does_an_attempt_ends_in_time(
    name: str, attempt: Callable[..., object], tally: Tally
) -> None:
    limit = SECONDS if name in SLOW else USUAL_SECONDS
    with listening(SERVERS[name]) as receiver:
        started = time.monotonic()
        told = attempt(receiver.url, limit)
        seconds = time.monotonic() - started
    tally.count(
        "webhook receivers that misbehave (served: answered 2xx)",
        "served" if told == 200 else "refused",
    )
    expected = DeliveryError.INVALID_ANSWER
    if name in SLOW:
        expected = DeliveryError.TIMEOUT
    elif name == "hangs up":
        expected = DeliveryError.UNREACHABLE
    assert told == ANSWERED.get(name, expected)
    assert seconds < SECONDS + GRACE


def test_a_name_whose_server_never_answers_is_given_up(
    attempt: Callable[..., object], monkeypatch: pytest.MonkeyPatch, tally: Tally
) -> None:
    held = threading.Event()
    monkeypatch.setattr("socket.getaddrinfo", Resolver([["127.0.0.1"]], held=held))
    started = time.monotonic()
    assert attempt(f"http://{NAME}/") is DeliveryError.TIMEOUT
    assert time.monotonic() - started < SECONDS + GRACE
    held.set()
    tally.count("names whose server never answers", "refused")


def test_a_caller_with_many_slow_receivers_delays_no_other_caller(
    store: EditStore,
    deliveries: Deliveries,
    batches: Batches,
    hook_secrets: HookSecrets,
    submission: Callable[..., Submission],
    monkeypatch: pytest.MonkeyPatch,
    tally: Tally,
) -> None:
    many = 3 * MAX_AT_ONCE

    def end_an_edit(caller: str, url: str) -> None:
        edit = submission(caller=caller, webhook_url=url)
        store.submit(edit, limit=10)
        store.cancel(edit.id, caller=caller)

    async def seconds_until(look: Callable[[], object]) -> float:
        stop, started = asyncio.Event(), time.monotonic()
        async with safe_client(LOOPBACK, timeout=30) as client:
            sender = WebhookSender(store, batches, hook_secrets, client, LOOPBACK, timeout=30)
            running = asyncio.create_task(WebhookDispatcher(deliveries, sender).run(stop))
            while not look() and time.monotonic() < started + 30:
                await asyncio.sleep(0.01)
            seconds = time.monotonic() - started
            slow.done()
            stop.set()
            await running
        return seconds

    with running_receiver() as quick, listening(SERVERS["says nothing"]) as slow:
        for caller in ("mallory", "ben"):
            hook_secrets.current(caller)  # connects to Redis before the resolver is replaced
        monkeypatch.setattr("socket.getaddrinfo", Resolver([["127.0.0.1"]]))
        for number in range(many):  # each name counts as a separate receiver
            end_an_edit("mallory", f"http://n{number}.{NAME}:{slow.port}/")
        end_an_edit("ben", f"{quick.url}/hook")
        seconds = asyncio.run(seconds_until(lambda: quick.received))
    tally.count("slow receivers of one caller", "refused", many)
    assert quick.received
    assert len(slow.connections) <= MAX_AT_ONCE
    assert seconds < 20  # ben waits for none of mallory's, which take 30 s each
