from collections.abc import Callable
from typing import Any

from fastapi.testclient import TestClient
from httpx import Response
from prometheus_client.parser import text_string_to_metric_families

from api.app import create_app
from core.schema import EditStatus
from core.settings import Settings
from tests.support.problems import assert_problem

Post = Callable[..., Response]


def samples(client: TestClient, **headers: str) -> dict[tuple[str, ...], float]:
    """Return (name, label values in the labels' order) → value."""
    answer = client.get("/metrics", headers=headers)
    assert answer.status_code == 200, answer.text
    return {
        (sample.name, *(sample.labels[label] for label in sorted(sample.labels))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_queues_and_workers_are_told_by_model(client: TestClient, post: Post) -> None:
    before = samples(client)
    assert (before["baret_workers", "zoo"], before["baret_workers_loading", "zoo"]) == (1, 0)
    assert before["baret_queue_edits", "zoo"] == before["baret_queue_oldest_seconds", "zoo"] == 0
    post()
    post()
    after = samples(client)
    assert after["baret_queue_edits", "zoo"] == 2
    assert 0 <= after["baret_queue_oldest_seconds", "zoo"] < 60


def test_edits_are_counted_by_how_they_end(
    client: TestClient, post: Post, finish: Callable[..., Any]
) -> None:
    post()
    post()
    finish()
    finish(EditStatus.FAILED, error={"code": "model_error"})
    client.post(f"/v1/edits/{post().json()['id']}/cancel")
    metrics = samples(client)
    ended = {key[2]: value for key, value in metrics.items() if key[0] == "baret_edits_total"}
    assert ended == {"succeeded": 1, "failed": 1, "canceled": 1}


def test_webhooks_that_wait_are_told_for_all_receivers(client: TestClient, post: Post) -> None:
    assert samples(client)["baret_webhooks_due",] == 0
    for port in (9, 10, 10):
        edit = post(webhook_url=f"http://127.0.0.1:{port}/hook").json()
        client.post(edit["urls"]["cancel"])
    assert samples(client)["baret_webhooks_due",] == 3


def test_requests_are_timed_by_route_and_status_never_by_path(client: TestClient) -> None:
    client.get("/v1/edits")
    client.get("/v1/edits/edit_made_up")
    client.get("/nowhere/at/all")
    metrics = samples(client)
    name = "baret_http_request_seconds_count"
    assert metrics[name, "GET", "/v1/edits", "200"] == 1
    assert metrics[name, "GET", "/v1/edits/{edit_id}", "404"] == 1
    assert metrics[name, "GET", "none", "404"] == 1
    assert not any("made_up" in label for key in metrics for label in key)


def test_a_service_with_keys_shows_figures_of_all_callers_to_keys_made_for_it_only(
    client: TestClient, make_key: Callable[..., Any]
) -> None:
    headers, _ = make_key()
    prometheus, key = make_key("prometheus", metrics=True)
    assert client.get("/metrics").status_code == 401
    refused = client.get("/metrics", headers=headers)
    assert_problem(refused, 403, "forbidden")
    assert "baret_" not in refused.text
    assert samples(client, **prometheus)["baret_workers", "zoo"] == 1
    after, _ = make_key("a key that replaces it does not inherit this", replaces=key.id)
    assert_problem(client.get("/metrics", headers=after), 403, "forbidden")


def test_without_redis_it_is_a_problem_like_any_other(settings_without_redis: Settings) -> None:
    with TestClient(create_app(settings_without_redis)) as client:
        answer = client.get("/metrics")
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")


def test_who_is_held_back_is_told_by_pool_and_never_by_caller(settings: Settings) -> None:
    app = create_app(settings.model_copy(update={"streams": 4}))
    shares = app.state.services.shares
    with TestClient(app) as client:
        assert all(shares.streams.try_acquire("ann") == (number < 2) for number in range(3))
        edit = client.get("/v1/edits")
        metrics = samples(client)
    assert edit.status_code == 200
    assert metrics["baret_share_slots", "streams"] == 4
    assert metrics["baret_share_in_use", "streams"] == 2
    assert metrics["baret_share_waiting", "streams"] == 0
    assert metrics["baret_share_granted_total", "lists"] == 1
    assert metrics["baret_share_refused_total", "streams", "caller"] == 0
    pools = {key[1] for key in metrics if key[0] == "baret_share_slots"}
    assert pools == {pool.name for pool in shares.pools()}
    assert not any("ann" in label for key in metrics for label in key)
