"""A caller's secret, and the log of deliveries."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from fastapi.testclient import TestClient
from httpx import Response
from standardwebhooks import Webhook

from api.openapi.webhooks import EXAMPLES
from api.routes.deliveries import EXAMPLE as DELIVERY
from api.routes.webhooks import EXAMPLE as SECRET
from core.schema import BatchEvent, WebhookEvent
from core.store.claims import Claim
from core.webhooks.queue import Deliveries, Outcome
from core.webhooks.schema import (
    BatchWebhookBody,
    DeliveryAttempt,
    DeliveryStatus,
    WebhookBody,
    WebhookDelivery,
    WebhookSecret,
)

Post = Callable[..., Response]
URL = "http://127.0.0.1:9/hook"


def test_the_secret_is_the_same_until_it_is_rotated(client: TestClient) -> None:
    first = client.get("/v1/webhooks/secret")
    assert first.status_code == 200
    assert first.headers["cache-control"] == "no-store"
    assert first.json()["previous_expires_at"] is None
    Webhook(first.json()["secret"])  # the public library accepts it
    assert client.get("/v1/webhooks/secret").json() == first.json()

    rotated = client.post("/v1/webhooks/secret/rotate")
    assert rotated.status_code == 200
    assert rotated.headers["cache-control"] == "no-store"
    assert rotated.json()["secret"] != first.json()["secret"]
    ends = datetime.fromisoformat(rotated.json()["previous_expires_at"])
    assert ends - datetime.now(UTC) == pytest.approx(timedelta(hours=24), abs=timedelta(seconds=10))
    assert client.get("/v1/webhooks/secret").json() == rotated.json()


@pytest.fixture
def undelivered(post: Post, finish: Callable[..., Claim], deliveries: Deliveries) -> str:
    """Make an edit whose webhook was answered 500 once; return its id."""
    edit_id: str = post(webhook_url=URL).json()["id"]
    finish()
    delivery = deliveries.take()
    assert delivery is not None
    attempt = DeliveryAttempt(at=datetime.now(UTC), seconds=0.2, status=500)
    deliveries.settle(delivery, Outcome(attempt, DeliveryStatus.PENDING, retry_after=300))
    return edit_id


def test_the_log_and_a_replay(client: TestClient, undelivered: str, deliveries: Deliveries) -> None:
    (delivery,) = client.get(f"/v1/edits/{undelivered}/deliveries").json()["data"]
    assert (delivery["type"], delivery["url"], delivery["status"]) == (
        "edit.succeeded",
        URL,
        "pending",
    )
    assert delivery["next_attempt_at"] is not None
    assert [attempt["status"] for attempt in delivery["attempts"]] == [500]
    assert deliveries.take() is None

    answer = client.post(f"/v1/edits/{undelivered}/deliveries/{delivery['id']}/replay")
    assert answer.status_code == 202
    assert (answer.json()["id"], answer.json()["status"]) == (delivery["id"], "pending")
    due = deliveries.take()
    assert due is not None
    assert due.id == delivery["id"]


def test_an_edit_without_a_webhook_has_no_deliveries(
    client: TestClient, post: Post, finish: Callable[..., Claim]
) -> None:
    edit_id = post().json()["id"]
    finish()
    assert client.get(f"/v1/edits/{edit_id}/deliveries").json() == {"data": []}


@pytest.mark.parametrize("edit_id", ["edit_x", "edit_" + "0" * 32])
def test_deliveries_of_no_edit_are_not_found(client: TestClient, edit_id: str) -> None:
    answers = [
        client.get(f"/v1/edits/{edit_id}/deliveries"),
        client.post(f"/v1/edits/{edit_id}/deliveries/msg_x/replay"),
    ]
    assert {(a.status_code, a.json()["code"]) for a in answers} == {(404, "not_found")}


def test_no_such_delivery_is_not_found(client: TestClient, undelivered: str) -> None:
    answer = client.post(f"/v1/edits/{undelivered}/deliveries/msg_x/replay")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_the_description_has_every_event_with_body_and_headers(client: TestClient) -> None:
    webhooks = client.get("/openapi.json").json()["webhooks"]
    assert set(webhooks) == {*WebhookEvent, *BatchEvent}
    for name, event in webhooks.items():
        media = event["post"]["requestBody"]["content"]["application/json"]
        body = "BatchWebhookBody" if name in set(BatchEvent) else "WebhookBody"
        assert media["schema"] == {"$ref": f"#/components/schemas/{body}"}
        assert media["example"]["type"] == name
        headers = {header["name"] for header in event["post"]["parameters"]}
        assert headers == {"webhook-id", "webhook-timestamp", "webhook-signature"}
        assert {"204", "410", "default"} == set(event["post"]["responses"])


def test_the_examples_are_what_they_show() -> None:
    assert set(EXAMPLES) == {*WebhookEvent, *BatchEvent}
    for name, hook in EXAMPLES.items():
        (BatchWebhookBody if name in set(BatchEvent) else WebhookBody).model_validate(hook)
    WebhookDelivery.model_validate(DELIVERY)
    WebhookSecret.model_validate(SECRET)
