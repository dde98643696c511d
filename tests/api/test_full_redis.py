"""A full Redis: no edit is accepted, but reading, finishing and deleting still work."""

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
from tests.support.problems import assert_problem

MakeKey = Callable[..., tuple[dict[str, str], ApiKey]]
Post = Callable[..., Response]
Finish = Callable[..., Claim]


@pytest.fixture
def fill(redis_url: str) -> Iterator[Callable[[], object]]:
    """Return a function that fills Redis until the test is over."""
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
    problem = assert_problem(post(headers=ann), 503, "unavailable")
    assert "full" in problem["detail"]
    assert_problem(post(headers=ann | {"Idempotency-Key": "k"}), 503, "unavailable")
    problem = assert_problem(client.get("/readyz"), 503, "unavailable")
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
    assert len(store.secret("links")) == 32  # created although Redis is full
    assert deliveries.of(delivery.subject_id)[0].id == delivery.id
