"""A Redis that has no room: no edit is accepted, and all that reads, ends and frees goes on."""

from collections.abc import Callable, Iterator

import pytest
import redis
from fastapi.testclient import TestClient
from httpx import Response

from core.access.api_keys import ApiKey, Keyring
from core.schema import Model
from core.store.claims import Claim
from core.store.edits import EditStore
from core.webhooks.queue import Deliveries
from tests.support.problems import told

MakeKey = Callable[..., tuple[dict[str, str], ApiKey]]
Post = Callable[..., Response]
Finish = Callable[..., Claim]


@pytest.fixture
def fill(redis_url: str) -> Iterator[Callable[[], object]]:
    """Leaves Redis no room, until the test is over."""
    with redis.Redis.from_url(redis_url) as client:
        yield lambda: client.config_set("maxmemory", 1)
        client.config_set("maxmemory", 0)


def test_only_what_begins_an_edit_is_refused(
    client: TestClient,
    post: Post,
    finish: Finish,
    make_key: MakeKey,
    keys: Keyring,
    fill: Callable[[], object],
) -> None:
    ann, _ = make_key("ann")
    _, ben = make_key("ben")
    ids = [post(headers=ann).json()["id"] for _ in range(3)]
    fill()
    problem = told(post(headers=ann), 503, "unavailable")
    assert "full" in problem["detail"]
    told(post(headers=ann | {"Idempotency-Key": "k"}), 503, "unavailable")
    problem = told(client.get("/readyz"), 503, "unavailable")
    assert [(one["pointer"], "full" in one["detail"]) for one in problem["errors"]] == [
        ("/redis", True)
    ]

    finish()
    for path in ("", f"/{ids[0]}", f"/{ids[0]}/image", f"/{ids[0]}?wait=1", f"/{ids[1]}?wait=1"):
        assert client.get(f"/v1/edits{path}", headers=ann).status_code == 200, path
    assert client.get("/v1/models", headers=ann).status_code == 200
    assert client.get("/v1/webhooks/secret", headers=ann).status_code == 200
    assert client.post(f"/v1/edits/{ids[1]}/cancel", headers=ann).json()["status"] == "canceled"
    assert client.delete(f"/v1/edits/{ids[2]}", headers=ann).status_code == 204
    assert keys.revoke(ben.id).revoked_at


def test_living_workers_are_known_and_webhooks_settled(
    post: Post,
    finish: Finish,
    store: EditStore,
    model: Model,
    deliveries: Deliveries,
    fill: Callable[[], object],
) -> None:
    post(webhook_url="http://127.0.0.1:1/")
    fill()
    store.announce("worker-2", model.model_copy(update={"id": "other"}))
    assert store.live_models().keys() == {"zoo", "other"}
    finish()
    delivery = deliveries.take()
    assert delivery is not None
    assert len(store.secret("links")) == 32  # signs what it says; here it is made
    assert deliveries.of(delivery.edit_id)[0].id == delivery.id
