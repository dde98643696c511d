"""Webhooks: when they are tried again, and one attempt against a real receiver."""

import asyncio
import json
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from ipaddress import ip_network

import httpx
import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from jobs.net import safe_client
from jobs.schema import EditStatus, EditWarning, Metrics, Result, StoredPicture, WarningCode
from jobs.settings import Network
from jobs.store import Delivery, EditStore
from tests.worker.receiver import Received, Receiver
from worker.delivery import again_in, attempt

OPEN = (ip_network("127.0.0.0/8"),)

# docs/api.md, "Webhooks": 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h with jitter.
MINUTE, HOUR = 60, 3600
PAUSES = [5, 5 * MINUTE, 30 * MINUTE] + [hours * HOUR for hours in (2, 5, 10, 14, 20, 24)]


@pytest.mark.parametrize("answer", [None, httpx.Response(500), httpx.Response(302)])
def test_the_pauses_follow_the_schedule_and_end(answer: httpx.Response | None) -> None:
    pauses = [again_in(tries, answer) for tries in range(1, 10)]
    assert pauses == [pytest.approx(pause, rel=0.1) for pause in PAUSES]
    assert again_in(10, answer) is None


def test_pauses_differ_so_that_receivers_are_not_met_by_all_at_once() -> None:
    assert len({again_in(1, None) for _ in range(20)}) > 1


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299, 410])
def test_success_and_gone_are_not_tried_again(status: int) -> None:
    assert again_in(1, httpx.Response(status)) is None


@pytest.mark.parametrize("status", [301, 400, 401, 404, 408, 409, 429, 500, 503])
def test_every_other_answer_is_tried_again(status: int) -> None:
    assert again_in(1, httpx.Response(status)) is not None


def test_a_longer_pause_that_the_receiver_wants_is_kept() -> None:
    assert again_in(1, httpx.Response(503, headers={"retry-after": "900"})) == 900


def test_a_date_that_the_receiver_wants_is_kept() -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(minutes=15), usegmt=True)
    pause = again_in(1, httpx.Response(503, headers={"retry-after": date}))
    assert pause == pytest.approx(15 * MINUTE, abs=2)  # a date has whole seconds


@pytest.mark.parametrize(
    "wanted", ["0", "-5", "soon", "", "Fri, 31 Dec 1999 23:59:59 GMT", "Mon, 1 Jan 0000 00:00"]
)
def test_a_shorter_or_unreadable_wish_changes_nothing(wanted: str) -> None:
    pause = again_in(1, httpx.Response(503, headers={"retry-after": wanted}))
    assert pause == pytest.approx(5, rel=0.1)


def test_no_receiver_delays_its_webhook_beyond_the_longest_pause() -> None:
    assert again_in(1, httpx.Response(503, headers={"retry-after": "9" * 12})) == 24 * HOUR


@pytest.fixture
def delivery(
    store: EditStore, submit: Callable[..., str], receiver: Receiver
) -> Callable[..., Delivery]:
    """Ends an edit with as much in it as one can have, and gives its delivery, taken."""

    def make(url: str | None = None, **params: object) -> Delivery:
        submit(webhook_url=url or f"{receiver.url}/hook", **params)
        claim = store.claim("zoo")
        assert claim is not None
        values = store.get(claim.id).submission.params.interpolations
        outputs = [stored_picture(f"1-output-{i}.png", eta) for i, eta in enumerate(values)]
        kinds = ("reconstruction", "transition", "attention")
        artifacts = {kind: stored_picture(f"1-{kind}.png") for kind in kinds}
        result = Result(
            outputs=outputs,
            artifacts=artifacts,
            warnings=[
                EditWarning(code=code, detail="x" * 300, words=["x" * 40] * 20)
                for code in WarningCode
            ],
            metrics=Metrics(inner_steps=7),
        )
        store.finish(claim, EditStatus.SUCCEEDED, result=result)
        taken = store.take_delivery()
        assert taken is not None
        return taken

    return make


def stored_picture(name: str, interpolation: float | None = None) -> StoredPicture:
    return StoredPicture(
        name=name,
        interpolation=interpolation,
        width=4096,
        height=4096,
        content_type="image/png",
        sha256="f" * 64,
        bytes=20_000_000,
    )


def send(
    delivery: Delivery,
    store: EditStore,
    *,
    networks: tuple[Network, ...] = OPEN,
    timeout: float = 5,
) -> tuple[str, float | None]:
    async def once() -> tuple[str, float | None]:
        async with safe_client(networks, timeout=timeout) as client:
            return await attempt(delivery, store, client, networks, timeout=timeout)

    return asyncio.run(once())


def verified(one: Received, store: EditStore) -> dict[str, object]:
    """The body, once the signature is found valid by the public library."""
    hook = Webhook(store.secret("webhook:local"))
    body: dict[str, object] = hook.verify(one.body, dict(one.headers))
    return body


def test_the_edit_is_told_signed(
    delivery: Callable[..., Delivery], store: EditStore, receiver: Receiver
) -> None:
    due = delivery()
    assert send(due, store) == ("204", None)
    (one,) = receiver.received
    body = verified(one, store)
    assert body["type"] == "edit.succeeded"
    assert body["timestamp"] == due.created_at.isoformat().replace("+00:00", "Z")
    edit = body["data"]
    assert isinstance(edit, dict)
    assert (edit["id"], edit["status"], edit["metrics"]["inner_steps"]) == (
        due.edit_id,
        "succeeded",
        7,
    )
    assert edit["urls"]["self"] == f"http://testserver/v1/edits/{due.edit_id}"
    assert one.headers["content-type"] == "application/json"
    assert one.headers["webhook-id"] == due.id


def test_a_body_that_was_changed_or_signed_by_another_is_found_out(
    delivery: Callable[..., Delivery], store: EditStore, receiver: Receiver
) -> None:
    send(delivery(), store)
    (one,) = receiver.received
    changed = one.body.replace(b"succeeded", b"failed")
    with pytest.raises(WebhookVerificationError):
        Webhook(store.secret("webhook:local")).verify(changed, dict(one.headers))
    with pytest.raises(WebhookVerificationError):
        Webhook(store.secret("webhook:ann")).verify(one.body, dict(one.headers))


def test_a_second_attempt_has_the_same_id_and_a_valid_signature(
    delivery: Callable[..., Delivery], store: EditStore, receiver: Receiver
) -> None:
    receiver.answers["/hook"] = (500, {})
    first = delivery()
    outcome, pause = send(first, store)
    assert outcome == "500"
    assert pause == pytest.approx(5, rel=0.1)
    store.settle_delivery(first, outcome=outcome, again_in=0)

    receiver.answers.clear()
    second = store.take_delivery()
    assert second is not None
    assert second.tries == 2
    assert send(second, store) == ("204", None)
    ids = [one.headers["webhook-id"] for one in receiver.received]
    assert ids == [first.id, first.id]
    # The pictures' addresses are signed afresh; what is told is the same.
    told = [verified(one, store) for one in receiver.received]
    assert told[0]["type"] == told[1]["type"] == "edit.succeeded"
    assert told[0]["timestamp"] == told[1]["timestamp"]


def test_a_redirect_is_not_followed(
    delivery: Callable[..., Delivery], store: EditStore, receiver: Receiver
) -> None:
    receiver.answers["/hook"] = (307, {"location": f"{receiver.url}/elsewhere"})
    outcome, pause = send(delivery(), store)
    assert outcome == "307"
    assert pause is not None
    assert [one.path for one in receiver.received] == ["/hook"]


def test_an_address_inside_is_refused_where_it_was_not_opened(
    delivery: Callable[..., Delivery], store: EditStore, receiver: Receiver
) -> None:
    assert send(delivery(), store, networks=()) == ("address not allowed", None)
    assert receiver.received == []


def test_a_name_that_leads_inside_is_refused_too(
    delivery: Callable[..., Delivery],
    store: EditStore,
    receiver: Receiver,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The outer edge replaced is the resolver: a public-looking name that leads inside.
    port = int(receiver.url.rpartition(":")[2])
    due = delivery(f"http://hooks.example:{port}/hook")
    inside = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: inside)
    assert send(due, store, networks=()) == ("address not allowed", None)
    assert receiver.received == []


def test_a_receiver_that_is_not_there_is_tried_again(
    delivery: Callable[..., Delivery], store: EditStore
) -> None:
    outcome, pause = send(delivery("http://127.0.0.1:1/"), store)
    assert outcome == "ConnectError"
    assert pause == pytest.approx(5, rel=0.1)


@pytest.mark.parametrize("host", ["a" * 64 + ".example", "a..example", "xn--a.example"])
def test_a_name_that_cannot_be_resolved_is_tried_again(
    host: str, delivery: Callable[..., Delivery], store: EditStore
) -> None:
    _, pause = send(delivery(f"http://{host}/hook"), store)
    assert pause == pytest.approx(5, rel=0.1)


def test_a_receiver_that_does_not_end_its_answer_is_given_up_and_tried_again(
    delivery: Callable[..., Delivery], store: EditStore, dripping: str
) -> None:
    outcome, pause = send(delivery(dripping), store, timeout=0.5)
    assert outcome == "TimeoutError"
    assert pause == pytest.approx(5, rel=0.1)


@pytest.fixture
def dripping() -> Iterator[str]:
    """Sends a header line every now and then, and never the last one."""
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


def test_a_large_edit_stays_under_20_kb(
    delivery: Callable[..., Delivery], store: EditStore, receiver: Receiver
) -> None:
    etas = [i / 7 for i in range(8)]  # the most outputs that an edit can have
    due = delivery(interpolation=etas, metadata={f"key {i}": "x" * 500 for i in range(16)})
    send(due, store)
    (one,) = receiver.received
    assert len(json.loads(one.body)["data"]["outputs"]) == 8
    assert len(one.body) < 20_000
