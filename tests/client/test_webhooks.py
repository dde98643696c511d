"""Webhooks are verified as the service signs them (by the `standardwebhooks` library)."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from baret_client import Client, WebhookRejected, verify_webhook
from standardwebhooks import Webhook


@pytest.fixture
def edit(client: Client, make_image: Callable[..., bytes]) -> dict[str, Any]:
    return client.edits.create(make_image(), prompt="a cat that sits").json


def signed(secret: str, body: str, at: datetime) -> dict[str, str]:
    return {
        "Webhook-Id": "msg_1",
        "Webhook-Timestamp": str(int(at.timestamp())),
        "Webhook-Signature": Webhook(secret).sign("msg_1", at, body),
    }


def body_of(edit: dict[str, Any]) -> str:
    event = {"type": "edit.succeeded", "timestamp": "2026-01-05T09:30:21.73Z", "data": edit}
    return json.dumps(event)


def test_what_the_service_signed_is_read(client: Client, edit: dict[str, Any]) -> None:
    secret, body = client.webhooks.secret().secret, body_of(edit)
    headers = signed(secret, body, datetime.now(UTC))
    for form in (body, body.encode()):
        event = verify_webhook(headers, form, secret)
        assert (event.id, event.type, event.edit.id) == ("msg_1", "edit.succeeded", edit["id"])
    # While a secret is replaced, there are two signatures.
    headers["Webhook-Signature"] = f"v1,AAAA v2,x {headers['Webhook-Signature']}"
    assert verify_webhook(headers, body, secret).id == "msg_1"


def test_what_is_altered_old_or_foreign_is_refused(client: Client, edit: dict[str, Any]) -> None:
    secret, body, now = client.webhooks.secret().secret, body_of(edit), datetime.now(UTC)
    headers = signed(secret, body, now)
    other = client.webhooks.rotate_secret().secret
    assert other != secret
    for given, text, by in (
        (headers, body + " ", secret),
        (headers | {"Webhook-Id": "msg_2"}, body, secret),
        (headers, body, other),
        ({}, body, secret),
        (signed(secret, body, now - timedelta(minutes=6)), body, secret),
        (signed(secret, body, now + timedelta(minutes=6)), body, secret),
    ):
        with pytest.raises(WebhookRejected):
            verify_webhook(given, text, by)
    with pytest.raises(ValueError, match="whsec_"):
        verify_webhook(headers, body, "whsec_?")
