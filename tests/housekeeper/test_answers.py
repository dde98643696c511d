"""What receivers answer that is not HTTP: the log of deliveries says so."""

import asyncio
from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient

from core.outbound.client import safe_client
from core.schema import Model
from core.store.batches import Batches
from core.store.edits import EditStore
from core.webhooks.queue import Deliveries
from core.webhooks.secrets import HookSecrets
from housekeeper.sender import WebhookSender
from tests.security.hostile import Script, listening
from tests.security.slow_servers import LOOPBACK
from tests.support.api_app import bare_client, settings

__all__ = ["bare_client", "settings"]

ANSWERS: dict[str, tuple[Script, str]] = {
    "a banner of SSH": (lambda talk: talk.say(b"SSH-2.0-OpenSSH_9.9\r\n"), "invalid_answer"),
    "a greeting of SMTP": (lambda talk: talk.say(b"220 mail.example ESMTP\r\n"), "invalid_answer"),
    "an error of Redis": (lambda talk: talk.say(b"-ERR unknown command\r\n"), "invalid_answer"),
    "a page without a head": (lambda talk: talk.say(b"<html>ok</html>"), "invalid_answer"),
    "an alert of TLS": (lambda talk: talk.say(b"\x15\x03\x01\x00\x02\x02\x0a"), "invalid_answer"),
    "frames of HTTP/2": (lambda talk: talk.say(b"\0\0\x12\x04" + bytes(99)), "invalid_answer"),
    "half a head": (lambda talk: talk.say(b"HTTP/1.1 200 OK\r\nX: "), "invalid_answer"),
    "a status of letters": (lambda talk: talk.say(b"HTTP/1.1 OK\r\n\r\n"), "invalid_answer"),
    "a line break in a header": (
        lambda talk: talk.say(b"HTTP/1.1 200 OK\r\nX: a\nY b\r\n\r\n"),
        "invalid_answer",
    ),
    "a head of a megabyte": (
        lambda talk: talk.say(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 1_000_000),
        "invalid_answer",
    ),
    "nothing": (lambda talk: None, "unreachable"),
}


@pytest.fixture
def client(bare_client: TestClient, store: EditStore, model: Model) -> TestClient:
    store.announce("worker-1", model)
    return bare_client


@pytest.mark.parametrize("name", ANSWERS)
def test_the_log_says_that_an_answer_was_no_http(
    client: TestClient,
    make_image: Callable[..., bytes],
    store: EditStore,
    deliveries: Deliveries,
    batches: Batches,
    hook_secrets: HookSecrets,
    name: str,
) -> None:
    script, error = ANSWERS[name]

    async def attempt() -> None:
        due = deliveries.take()
        assert due is not None
        async with safe_client(LOOPBACK, timeout=5) as http:
            sender = WebhookSender(store, batches, hook_secrets, http, LOOPBACK)
            deliveries.settle(due, await sender.send(due))

    with listening(script) as receiver:
        edit = client.post(
            "/v1/edits",
            data={"prompt": "a cat", "webhook_url": receiver.url},
            files={"image": make_image()},
        ).json()
        client.post(f"/v1/edits/{edit['id']}/cancel")
        asyncio.run(attempt())
    (delivery,) = client.get(f"/v1/edits/{edit['id']}/deliveries").json()["data"]
    (tried,) = delivery["attempts"]
    assert (tried["status"], tried["error"]) == (None, error)
    assert delivery["status"] == "pending"  # tried again later
