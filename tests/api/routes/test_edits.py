"""Getting, listing and canceling edits, and downloading their images."""

import base64
import hashlib
import io
import threading
import time
from collections.abc import Callable
from typing import Any
from unittest.mock import AsyncMock

import pytest
import redis
from fastapi.testclient import TestClient
from httpx import Response
from PIL import Image

from api.submission.feeder import BatchFeeder
from core.schema import EditStatus, EditWarning, Stage, Submission
from core.settings import Settings
from core.store.edits import MAX_SCANNED, EditStore

Post = Callable[..., Response]
Finish = Callable[..., Any]


def test_an_edit_shows_how_far_it_has_come(
    post: Post, client: TestClient, store: EditStore
) -> None:
    edit_id = post().json()["id"]
    claim = store.claim("zoo")
    assert claim is not None
    store.report(claim, Stage.TUNING, 0.25)
    edit = client.get(f"/v1/edits/{edit_id}").json()
    assert (edit["status"], edit["stage"], edit["progress"]) == ("running", "tuning", 0.25)
    assert edit["queue_position"] is None
    assert edit["started_at"].endswith("Z")
    assert edit["metrics"]["attempts"] == 1


def test_an_edit_shows_how_long_it_will_take_once_others_have_ended(
    post: Post, client: TestClient, store: EditStore, finish: Finish
) -> None:
    def estimate(edit_id: str) -> tuple[Any, Any]:
        edit = client.get(f"/v1/edits/{edit_id}").json()
        return edit["queue_position"], edit["eta_seconds"]

    first, second, third = (post().json()["id"] for _ in range(3))
    assert [estimate(edit_id) for edit_id in (first, second)] == [(0, None), (1, None)]
    claim = store.claim("zoo")
    assert claim is not None
    assert estimate(first) == (None, None)
    time.sleep(0.3)
    store.finish(claim, EditStatus.SUCCEEDED)
    assert estimate(first) == (None, None)
    for position, edit_id in enumerate((second, third)):
        place, eta = estimate(edit_id)
        assert place == position
        assert 0.2 * (position + 1) <= eta <= 20 * (position + 1)
    assert store.claim("zoo") is not None
    assert 0.1 <= estimate(second)[1] <= 20
    listed = client.get("/v1/edits").json()["data"]
    assert [edit["queue_position"] for edit in listed] == [0, None, None]
    assert all(edit["eta_seconds"] > 0 for edit in listed[:2])


def test_a_batch_edit_says_so_and_lets_interactive_ones_go_first(
    post: Post, client: TestClient, make_image: Callable[..., bytes]
) -> None:
    def placed(edit_id: str) -> tuple[str, int]:
        edit = client.get(f"/v1/edits/{edit_id}").json()
        return edit["priority"], edit["queue_position"]

    fields = {"prompt": "a cat", "image": {"base64": base64.b64encode(make_image()).decode()}}
    batch = client.post("/v1/edits", json=fields | {"priority": "batch"}).json()["id"]
    form, plain = post(priority="batch").json()["id"], post().json()["id"]
    assert [placed(one) for one in (plain, batch, form)] == [
        ("interactive", 0),
        ("batch", 1),
        ("batch", 2),
    ]
    refused = post(priority="urgent")
    assert refused.status_code == 422
    assert [error["pointer"] for error in refused.json()["errors"]] == ["/priority"]


def test_a_succeeded_edit_shows_an_output_for_each_strength(
    post: Post, client: TestClient, finish: Finish
) -> None:
    edit_id = post(strength="[0.2, 0.9]").json()["id"]
    finish()
    edit = client.get(f"/v1/edits/{edit_id}").json()
    assert (edit["status"], edit["progress"], edit["error"]) == ("succeeded", 1.0, None)
    assert [output["strength"] for output in edit["outputs"]] == [0.2, 0.9]
    assert edit["metrics"]["run_seconds"] >= 0
    for output in edit["outputs"]:
        answer = client.get(output["url"])
        assert answer.headers["content-type"] == output["content_type"] == "image/png"
        assert len(answer.content) == output["bytes"]
        assert hashlib.sha256(answer.content).hexdigest() == output["sha256"]


def test_a_succeeded_edit_shows_what_its_worker_warned_of(
    post: Post, client: TestClient, finish: Finish
) -> None:
    edit_id = post().json()["id"]
    assert client.get(f"/v1/edits/{edit_id}").json()["warnings"] == []
    warning = {"code": "unknown_words", "detail": "Unknown: “sits”.", "words": ["sits"]}
    finish(warnings=[EditWarning.model_validate(warning)])
    assert client.get(f"/v1/edits/{edit_id}").json()["warnings"] == [warning]
    listed = client.get("/v1/edits").json()["data"]
    assert [edit["warnings"] for edit in listed] == [[warning]]


def test_a_failed_edit_shows_its_problem(post: Post, client: TestClient, finish: Finish) -> None:
    edit_id = post().json()["id"]
    problem = {"code": "out_of_memory", "detail": "Send a smaller image."}
    finish(EditStatus.FAILED, error=problem)
    edit = client.get(f"/v1/edits/{edit_id}").json()
    assert (edit["status"], edit["error"], edit["outputs"]) == ("failed", problem, [])


def test_waiting_for_an_edit_returns_when_it_ends(
    post: Post, client: TestClient, finish: Finish
) -> None:
    edit_id = post().json()["id"]
    worker = threading.Timer(0.3, finish)
    worker.start()
    started = time.monotonic()
    edit = client.get(f"/v1/edits/{edit_id}?wait=60").json()
    worker.join()
    assert edit["status"] == "succeeded"
    assert time.monotonic() - started < 50


def test_waiting_in_vain_returns_the_edit_as_it_is(post: Post, client: TestClient) -> None:
    edit_id = post().json()["id"]
    started = time.monotonic()
    assert client.get(f"/v1/edits/{edit_id}?wait=1").json()["status"] == "queued"
    assert time.monotonic() - started >= 1
    assert client.get(f"/v1/edits/{edit_id}?wait=0").json()["status"] == "queued"


def test_canceling_a_queued_edit_ends_it_and_may_be_repeated(
    post: Post, client: TestClient
) -> None:
    edit_id = post().json()["id"]
    for _ in range(2):
        answer = client.post(f"/v1/edits/{edit_id}/cancel")
        assert (answer.status_code, answer.json()["status"]) == (200, "canceled")


def test_canceling_a_running_edit_reaches_its_worker(
    post: Post, client: TestClient, store: EditStore
) -> None:
    edit_id = post().json()["id"]
    claim = store.claim("zoo")
    assert claim is not None
    assert client.post(f"/v1/edits/{edit_id}/cancel").json()["status"] == "running"
    assert store.report(claim, Stage.EDITING, 0.5) is True


def test_canceling_a_finished_edit_changes_nothing(
    post: Post, client: TestClient, finish: Finish
) -> None:
    edit_id = post().json()["id"]
    finish()
    assert client.post(f"/v1/edits/{edit_id}/cancel").json()["status"] == "succeeded"


def test_pages_lead_through_every_edit_once_newest_first(post: Post, client: TestClient) -> None:
    ids = [post().json()["id"] for _ in range(5)][::-1]
    collected: list[str] = []
    query: dict[str, Any] = {"limit": 2}
    sizes = []
    while True:
        page = client.get("/v1/edits", params=query).json()
        sizes.append(len(page["data"]))
        collected += [edit["id"] for edit in page["data"]]
        if page["next_cursor"] is None:
            break
        assert not page["next_cursor"].startswith("edit_")
        query["cursor"] = page["next_cursor"]
    assert collected == ids
    assert sizes == [2, 2, 1]


def test_a_full_last_page_ends_the_listing(post: Post, client: TestClient) -> None:
    for _ in range(2):
        post()
    assert client.get("/v1/edits?limit=2").json()["next_cursor"] is None


def test_no_edits_are_an_empty_page(client: TestClient) -> None:
    assert client.get("/v1/edits").json() == {"data": [], "next_cursor": None}


def test_a_listing_is_filtered_by_status_and_metadata(
    post: Post, client: TestClient, finish: Finish
) -> None:
    first = post(metadata='{"order": "1", "shop": "a"}').json()["id"]
    second = post(metadata='{"order": "2", "shop": "a"}').json()["id"]
    finish()

    def listed(query: str) -> list[str]:
        return [edit["id"] for edit in client.get(f"/v1/edits?{query}").json()["data"]]

    assert listed("status=succeeded") == [first]
    assert listed("status=queued") == [second]
    assert listed("metadata[shop]=a") == [second, first]
    assert listed("metadata[shop]=a&metadata[order]=1") == [first]
    assert listed("metadata%5Border%5D=2") == [second]
    assert listed("metadata[order]=3") == []
    assert listed("metadata[order]=1&status=queued") == []


def test_a_filter_looks_at_so_many_edits_in_a_request_and_the_cursor_goes_on(
    client: TestClient, store: EditStore, submission: Callable[..., Submission]
) -> None:
    for number in range(MAX_SCANNED + 5):
        order = {"order": "first"} if number == 0 else {"order": str(number)}
        store.submit(submission(metadata=order), limit=2 * MAX_SCANNED)
    page = client.get("/v1/edits?metadata[order]=first").json()
    assert page["data"] == [] and page["next_cursor"]
    query = {"metadata[order]": "first", "cursor": page["next_cursor"]}
    page = client.get("/v1/edits", params=query).json()
    assert [edit["metadata"]["order"] for edit in page["data"]] == ["first"]
    assert page["next_cursor"] is None


def test_a_page_of_many_edits_asks_redis_no_more_often_than_a_page_of_one(
    client: TestClient,
    store: EditStore,
    submission: Callable[..., Submission],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for number in range(100):
        store.submit(submission(metadata={"order": str(number % 2)}), limit=100)
    sent: list[object] = []
    send = redis.Connection.send_packed_command

    def count(self: redis.Connection, *arguments: Any, **named: Any) -> object:
        sent.append(self)
        return send(self, *arguments, **named)

    client.get("/v1/edits?limit=1")  # loads the scripts
    # What the process looks for by itself, twice a second, is not the page's.
    monkeypatch.setattr(BatchFeeder, "_start_due", AsyncMock())
    monkeypatch.setattr(redis.Connection, "send_packed_command", count)
    times = []
    for query in ("limit=1", "limit=100", "limit=100&metadata[order]=1"):
        page = client.get(f"/v1/edits?{query}").json()
        times.append(len(sent))
        sent.clear()
    assert len(page["data"]) == 50
    assert {edit["queue_position"] for edit in page["data"]} == set(range(1, 100, 2))
    assert times == 3 * [times[0]] and times[0] <= 4


@pytest.mark.parametrize(
    "query", ["metadata[a]=1&metadata[a]=2", "metadata[a][b]=1", "metadata[a[]=1"]
)
def test_a_filter_names_each_key_once_and_flat(client: TestClient, query: str) -> None:
    answer = client.get(f"/v1/edits?{query}")
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert error["pointer"].startswith("/metadata/a")


@pytest.mark.parametrize(
    ("query", "accept", "form"),
    [
        ("", "", "PNG"),
        ("", "*/*", "PNG"),
        ("", "image/*", "PNG"),
        ("", "image/webp", "WEBP"),
        ("", "image/avif,image/webp,image/png;q=0.5,*/*;q=0.8", "WEBP"),
        ("", "image/jpeg;q=0.9, image/webp;q=0.1", "JPEG"),
        ("", "image/png;q=0, image/jpeg;q=0.3", "JPEG"),
        ("", "text/html", "PNG"),
        ("", "image/webp;q=x", "PNG"),
        ("?format=jpeg", "image/png", "JPEG"),
        ("?format=webp", "", "WEBP"),
    ],
)
def test_the_image_comes_in_the_encoding_preferred(
    post: Post, client: TestClient, finish: Finish, query: str, accept: str, form: str
) -> None:
    edit_id = post().json()["id"]
    finish()
    answer = client.get(f"/v1/edits/{edit_id}/image{query}", headers={"accept": accept})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == f"image/{form.lower()}"
    image = Image.open(io.BytesIO(answer.content))
    assert (image.format, image.size) == (form, (64, 64))


def test_the_image_is_that_of_the_strength_asked_for(
    post: Post, client: TestClient, finish: Finish
) -> None:
    edit_id = post(strength="[0.2, 0.9]").json()["id"]
    finish()

    def height(query: str) -> int:
        answer = client.get(f"/v1/edits/{edit_id}/image{query}")
        return Image.open(io.BytesIO(answer.content)).height

    assert height("") == height("?strength=0.2") == 64
    assert height("?strength=0.9") == height("?interpolation=0.9") == 65
    missing = client.get(f"/v1/edits/{edit_id}/image?strength=0.5")
    assert (missing.status_code, missing.json()["code"]) == (404, "not_found")


def test_a_picture_address_works_as_it_is_and_in_no_other_way(
    post: Post, client: TestClient, finish: Finish, settings: Settings
) -> None:
    edit_id = post().json()["id"]
    finish()
    url = client.get(f"/v1/edits/{edit_id}").json()["outputs"][0]["url"]
    good = client.get(url)
    assert good.status_code == 200
    assert good.headers["cache-control"].startswith("private, max-age=3")
    assert good.headers["x-content-type-options"] == "nosniff"
    path, _, query = url.partition("?")
    expires, _, signature = query.partition("&")
    for bad in (
        path,
        f"{path}?{expires}",
        f"{path}?{signature}",
        f"{path}?expires=99999999999&{signature}",
        f"{path}?expires={'9' * 5000}&{signature}",
        f"{path}?expires=x&{signature}",
        f"{path}?{expires}&signature=%C3%A9",
        url.replace("output-0.png", "input"),
        url.replace("output-0.png", "..%2finput"),
    ):
        answer = client.get(bad)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), bad
