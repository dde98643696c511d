"""One attempt at a webhook, against a real receiver."""

import asyncio
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from ipaddress import ip_network

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from core.ids import new_batch_id
from core.outbound.client import safe_client
from core.outbound.ip_policy import IpPolicy
from core.schema import BatchPlace, EditStatus, Metrics, NewBatch, Result, WebhookEvent
from core.store.batches import Batches
from core.store.edits import EditStore
from core.webhooks.queue import Deliveries, Delivery, Outcome
from core.webhooks.schema import DeliveryError, DeliveryStatus
from core.webhooks.secrets import HookSecrets
from housekeeper.sender import TIMEOUT, WebhookSender
from tests.support.receiver import Received, Receiver
from tests.support.waiting import PATIENCE

OPEN = IpPolicy(allow=(ip_network("127.0.0.0/8"),))
REFUSED = (DeliveryError.URL_NOT_ALLOWED, DeliveryStatus.FAILED)


def test_a_receiver_has_fifteen_seconds() -> None:
    assert TIMEOUT == 15


@pytest.fixture
def delivery(
    store: EditStore, deliveries: Deliveries, submit: Callable[..., str], receiver: Receiver
) -> Callable[..., Delivery]:
    """Return a function that ends an edit and claims its delivery."""

    def make(url: str | None = None, **params: object) -> Delivery:
        submit(webhook_url=url or f"{receiver.url}/hook", **params)
        claim = store.claim("zoo")
        assert claim is not None
        store.finish(claim, EditStatus.SUCCEEDED, result=Result(metrics=Metrics(inner_steps=7)))
        taken = deliveries.take()
        assert taken is not None
        return taken

    return make


Send = Callable[..., Outcome]


@pytest.fixture
def send(store: EditStore, batches: Batches, hook_secrets: HookSecrets) -> Send:
    """Return a function that makes one attempt."""

    def once(delivery: Delivery, *, policy: IpPolicy = OPEN, timeout: float = PATIENCE) -> Outcome:
        async def attempt() -> Outcome:
            async with safe_client(policy, timeout=timeout) as client:
                sender = WebhookSender(
                    store, batches, hook_secrets, client, policy, timeout=timeout
                )
                return await sender.send(delivery)

        return asyncio.run(attempt())

    return once


def summary(outcome: Outcome) -> tuple[object, DeliveryStatus]:
    return outcome.attempt.error or outcome.attempt.status, outcome.status


def verified(one: Received, secret: str) -> dict[str, object]:
    """Verify the signature with the public library, and return the body."""
    body: dict[str, object] = Webhook(secret).verify(one.body, dict(one.headers))
    return body


def test_the_edit_is_told_signed(
    delivery: Callable[..., Delivery], send: Send, hook_secrets: HookSecrets, receiver: Receiver
) -> None:
    due = delivery()
    outcome = send(due)
    assert summary(outcome) == (204, DeliveryStatus.DELIVERED)
    assert outcome.retry_after is None
    (one,) = receiver.received
    body = verified(one, hook_secrets.current("local").secret)
    assert body["type"] == "edit.succeeded"
    assert body["timestamp"] == due.created_at.isoformat().replace("+00:00", "Z")
    edit = body["data"]
    assert isinstance(edit, dict)
    assert (edit["id"], edit["status"], edit["metrics"]["inner_steps"]) == (
        due.subject_id,
        "succeeded",
        7,
    )
    assert edit["urls"]["self"] == f"http://testserver/v1/edits/{due.subject_id}"
    assert one.headers["content-type"] == "application/json"
    assert one.headers["webhook-id"] == due.id


def test_a_body_that_was_changed_or_signed_by_another_is_found_out(
    delivery: Callable[..., Delivery], send: Send, hook_secrets: HookSecrets, receiver: Receiver
) -> None:
    send(delivery())
    (one,) = receiver.received
    changed = one.body.replace(b"succeeded", b"failed")
    with pytest.raises(WebhookVerificationError):
        Webhook(hook_secrets.current("local").secret).verify(changed, dict(one.headers))
    with pytest.raises(WebhookVerificationError):
        verified(one, hook_secrets.current("ann").secret)


def test_after_a_rotation_the_old_and_the_new_secret_both_verify(
    delivery: Callable[..., Delivery], send: Send, hook_secrets: HookSecrets, receiver: Receiver
) -> None:
    old = hook_secrets.current("local").secret
    new = hook_secrets.rotate("local").secret
    send(delivery())
    (one,) = receiver.received
    assert verified(one, old) == verified(one, new)
    assert len(one.headers["webhook-signature"].split(" ")) == 2


def test_a_second_attempt_has_the_same_id_and_a_valid_signature(
    delivery: Callable[..., Delivery],
    send: Send,
    deliveries: Deliveries,
    hook_secrets: HookSecrets,
    receiver: Receiver,
    let_time_pass: Callable[[float], None],
) -> None:
    receiver.answers["/hook"] = (500, {})
    first = delivery()
    outcome = send(first)
    assert summary(outcome) == (500, DeliveryStatus.PENDING)
    assert outcome.retry_after == pytest.approx(5, rel=0.1)
    deliveries.settle(first, outcome)

    receiver.answers.clear()
    let_time_pass(5.5)
    second = deliveries.take()
    assert second is not None
    assert second.tries == 2
    assert summary(send(second)) == (204, DeliveryStatus.DELIVERED)
    ids = [one.headers["webhook-id"] for one in receiver.received]
    assert ids == [first.id, first.id]
    # Only the signed URLs of the images differ.
    secret = hook_secrets.current("local").secret
    bodies = [verified(one, secret) for one in receiver.received]
    assert bodies[0]["type"] == bodies[1]["type"] == "edit.succeeded"
    assert bodies[0]["timestamp"] == bodies[1]["timestamp"]


def test_a_redirect_is_not_followed(
    delivery: Callable[..., Delivery], send: Send, receiver: Receiver
) -> None:
    receiver.answers["/hook"] = (307, {"location": f"{receiver.url}/elsewhere"})
    assert summary(send(delivery())) == (307, DeliveryStatus.PENDING)
    assert [one.path for one in receiver.received] == ["/hook"]


def test_gone_is_the_end(delivery: Callable[..., Delivery], send: Send, receiver: Receiver) -> None:
    receiver.answers["/hook"] = (410, {})
    outcome = send(delivery())
    assert summary(outcome) == (410, DeliveryStatus.FAILED)
    assert (outcome.retry_after, outcome.gone) == (None, True)


def test_progress_is_tried_once(
    delivery: Callable[..., Delivery], send: Send, receiver: Receiver
) -> None:
    receiver.answers["/hook"] = (503, {})
    outcome = send(replace(delivery(), type=WebhookEvent.PROGRESS, tries=0))
    assert (summary(outcome), outcome.retry_after) == ((503, DeliveryStatus.FAILED), None)


def test_an_edit_that_is_gone_is_not_told(
    delivery: Callable[..., Delivery], send: Send, receiver: Receiver
) -> None:
    gone = replace(delivery(), subject_id="edit_x")
    assert summary(send(gone)) == (DeliveryError.EDIT_GONE, DeliveryStatus.FAILED)
    assert receiver.received == []


def test_an_address_inside_is_refused_where_it_was_not_opened(
    delivery: Callable[..., Delivery], send: Send, receiver: Receiver
) -> None:
    assert summary(send(delivery(), policy=IpPolicy())) == REFUSED
    assert receiver.received == []


def test_a_name_that_leads_inside_is_refused_too(
    delivery: Callable[..., Delivery],
    send: Send,
    hook_secrets: HookSecrets,
    receiver: Receiver,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hook_secrets.current("local")  # connects to Redis before names resolve elsewhere
    # The resolver is the outer edge that is replaced: a public name with an inner address.
    port = int(receiver.url.rpartition(":")[2])
    due = delivery(f"http://hooks.example:{port}/hook")
    inside = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: inside)
    assert summary(send(due, policy=IpPolicy())) == REFUSED
    assert receiver.received == []


def test_a_receiver_that_is_not_there_is_tried_again(
    delivery: Callable[..., Delivery], send: Send
) -> None:
    outcome = send(delivery("http://127.0.0.1:1/"))
    assert summary(outcome) == (DeliveryError.UNREACHABLE, DeliveryStatus.PENDING)
    assert outcome.retry_after == pytest.approx(5, rel=0.1)


@pytest.mark.parametrize("host", ["a" * 64 + ".example", "a..example", "xn--a.example"])
def test_a_name_that_cannot_be_resolved_is_tried_again(
    host: str, delivery: Callable[..., Delivery], send: Send
) -> None:
    assert send(delivery(f"http://{host}/hook")).retry_after == pytest.approx(5, rel=0.1)


def test_a_receiver_that_does_not_end_its_answer_is_given_up_and_tried_again(
    delivery: Callable[..., Delivery], send: Send, dripping: str
) -> None:
    outcome = send(delivery(dripping), timeout=0.5)
    assert summary(outcome) == (DeliveryError.TIMEOUT, DeliveryStatus.PENDING)
    assert outcome.retry_after == pytest.approx(5, rel=0.1)


@pytest.fixture
def dripping() -> Iterator[str]:
    """Run a receiver that sends header lines now and then, and never the last one."""
    done = threading.Event()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"HTTP/1.1 204 No Content\r\n")
            with suppress(OSError):
                while not done.wait(0.05):
                    self.wfile.write(b"X-More: 1\r\n")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        done.set()
        server.shutdown()
        thread.join()


def test_a_batchs_end_is_told_signed(
    batches: Batches,
    deliveries: Deliveries,
    send: Send,
    hook_secrets: HookSecrets,
    receiver: Receiver,
) -> None:
    new = NewBatch(
        id=new_batch_id(),
        caller="local",
        base_url="http://baret.example",
        webhook_url=f"{receiver.url}/hook",
        metadata={"a": "ä" * 10_000},
        total=2,
        keep_seconds=60,
    )
    batches.create(new)
    for line in range(2):
        batches.fail_line(BatchPlace(new.id, line), {"code": "fetch_failed"})
    due = deliveries.take()
    assert due is not None
    outcome = send(due)
    assert summary(outcome) == (204, DeliveryStatus.DELIVERED)
    deliveries.settle(due, replace(outcome, gone=True))
    secret = hook_secrets.current("local").secret
    body = verified(receiver.received[0], secret)
    assert (body["type"], body["omitted"]) == ("batch.completed", ["metadata"])
    batch = body["data"]
    assert isinstance(batch, dict)
    assert (batch["id"], batch["request_counts"]["failed"]) == (new.id, 2)
    batches.delete(new.id)
    assert deliveries.take() is None
