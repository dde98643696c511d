"""Edits in OpenAI's shape: what is taken, what is refused and why, and what comes back."""

import base64
import io
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from itertools import pairwise
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from fastapi.testclient import TestClient
from httpx import Response
from PIL import Image

from core.schema import EditStatus, EditWarning, Model, ParamsInput, Record, WarningCode
from core.schema.params import Params
from core.settings import Settings
from core.store.edits import EditStore
from tests.support.api_app import serving
from tests.support.model import MODEL
from tests.support.openai_requests import PHOTO, SENT_REQUESTS, SentRequest
from tests.support.waiting import PATIENCE, until

Finish = Callable[..., Any]
Send = Callable[..., Response]


@pytest.fixture
def working(store: EditStore, finish: Finish) -> Callable[..., Any]:
    """Return a context in which one edit is worked on as soon as it waits."""

    @contextmanager
    def work(*args: Any, **kwargs: Any) -> Iterator[None]:
        def run() -> None:
            until(lambda: store.waiting("zoo", longer_than=0, limit=1), "an edit to wait")
            finish(*args, **kwargs)

        thread = threading.Thread(target=run)
        thread.start()
        yield
        thread.join()

    return work


@pytest.fixture
def send(client: TestClient, make_image: Callable[..., bytes]) -> Send:
    """Return a function that sends a request as the official clients do."""

    def post(*, headers: dict[str, str] | None = None, files: Any = None, **data: Any) -> Response:
        return client.post(
            "/v1/images/edits",
            data={"model": "zoo", "prompt": "a cat that sits", **data},
            files=files or {"image": ("photo.png", make_image(), "image/png")},
            headers=headers,
        )

    return post


def the_edit(store: EditStore) -> Record:
    """Return the only edit there is."""
    (record,) = store.page("local", before=None, limit=5, status=None, metadata={}).records
    return record


def image_of(text: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(text)))


# --- answers


def test_the_answer_has_the_image_once_the_edit_has_ended(
    send: Send, working: Any, store: EditStore
) -> None:
    doubt = EditWarning(code=WarningCode.UNKNOWN_WORDS, detail="Unknown: sits.", words=["sits"])
    with working(warnings=[doubt]):
        answer = send(user="ann-7", metadata='{"order": "1"}')
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert image_of(body["data"][0]["b64_json"]).size == (64, 64)
    record = the_edit(store)
    assert record.completed_at is not None
    assert body["created"] == int(record.completed_at.timestamp())
    assert (body["output_format"], body["size"]) == ("png", "64x64")
    assert body["usage"]["total_tokens"] == 0
    assert body["warnings"] == [doubt.model_dump(mode="json")]
    assert answer.headers["location"].endswith(f"/v1/edits/{record.submission.id}")
    assert record.submission.metadata == {"user": "ann-7", "order": "1"}


def test_several_images_are_strengths_of_one_edit(
    send: Send, working: Any, store: EditStore
) -> None:
    with working():
        answer = send(n="3")
    assert len(answer.json()["data"]) == 3
    params = the_edit(store).submission.params
    full = MODEL.presets["auto"].strength
    assert params.strengths == (full, pytest.approx(0.75 * full), pytest.approx(0.5 * full))


@pytest.mark.parametrize("count", range(2, 9))
def test_strengths_are_spread_evenly_from_the_presets_down_to_half_of_it(count: int) -> None:
    params = Params.resolve(ParamsInput(preset="style"), MODEL.presets).spread(count)
    values = params.strengths
    assert (values[0], values[-1], len(values)) == (0.7, 0.35, count)
    steps = [first - second for first, second in pairwise(values)]
    assert steps == pytest.approx([0.35 / (count - 1)] * (count - 1), abs=2e-4)
    assert params.interpolation == params.strength


def test_addresses_come_instead_of_bytes(client: TestClient, send: Send, working: Any) -> None:
    with working():
        answer = send(response_format="url", n="2")
    images = answer.json()["data"]
    assert [set(image) for image in images] == [{"url"}] * 2
    for image in images:
        assert client.get(image["url"]).headers["content-type"] == "image/png"


def test_our_parameters_are_taken_in_the_form_encoding_of_the_official_clients(
    send: Send, working: Any, store: EditStore, make_image: Callable[..., bytes]
) -> None:
    ours = {"strength[]": ["0.2", "0.9"], "preset": "style", "metadata[order]": "7"}
    with working():
        answer = send(
            files={"image[]": ("photo.png", make_image(), "image/png")},
            output_format="jpeg",
            output_compression="80",
            size="64x64",
            quality="high",
            background="auto",
            input_fidelity="high",
            moderation="low",
            **ours,
        )
    assert answer.status_code == 200, answer.text
    submission = the_edit(store).submission
    assert submission.params.strengths == (0.2, 0.9)
    assert (submission.params.preset, submission.params.quality) == ("style", 80)
    assert submission.params.output_format == "jpeg"
    assert submission.metadata == {"order": "7"}


@pytest.mark.parametrize("name", ["image", "images"])
def test_json_is_taken_too(
    client: TestClient, working: Any, make_image: Callable[..., bytes], name: str
) -> None:
    url = "data:image/png;base64," + base64.b64encode(make_image()).decode()
    image = {"image": url, "images": [{"image_url": url}]}[name]
    with working():
        body = {"prompt": "a cat that sits", name: image, "n": 2, "user": None}
        answer = client.post("/v1/images/edits", json=body)
    assert answer.status_code == 200, answer.text
    assert len(answer.json()["data"]) == 2


@pytest.mark.parametrize("sent", SENT_REQUESTS, ids=lambda sent: sent.program)
def test_requests_are_taken_as_they_leave_other_programs(
    client: TestClient, working: Any, make_image: Callable[..., bytes], sent: SentRequest
) -> None:
    body = sent.body.replace(PHOTO, make_image())
    headers = {"Content-Type": sent.content_type, "Authorization": "Bearer sk-unused"}
    with working():
        answer = client.post("/v1/images/edits", content=body, headers=headers)
    assert answer.status_code == 200, answer.text
    images = answer.json()["data"]
    assert [image_of(one["b64_json"]).width for one in images] == [64] * sent.images


# --- events


def events_of(text: str) -> list[tuple[str, dict[str, Any]]]:
    events = []
    for block in text.split("\n\n"):
        lines = dict(
            line.split(": ", 1) for line in block.splitlines() if line[:1] not in ("", ":")
        )
        if lines:
            events.append((lines["event"], json.loads(lines["data"])))
    return events


def test_a_stream_has_unfinished_images_and_then_the_finished_ones(
    send: Send, store: EditStore, finish: Finish, make_image: Callable[..., bytes]
) -> None:
    preview = base64.b64encode(make_image("WEBP", size=(48, 48))).decode()

    def work() -> None:
        until(lambda: store.waiting("zoo", longer_than=0, limit=1), "an edit to wait")
        claim = store.claim("zoo")
        assert claim is not None
        for progress in (0.5, 0.6, 0.7, 0.8, 0.9):
            image = f"data:image/webp;base64,{preview}"
            data = {"strength": 0.7, "interpolation": 0.7, "progress": progress, "image": image}
            store.preview(claim, data)
            store.preview(claim, data | {"strength": 0.35, "interpolation": 0.35})
        store.hand_back(claim)
        until(lambda: store.waiting("zoo", longer_than=0, limit=1), "the edit to wait again")
        finish()

    worker = threading.Thread(target=work)
    worker.start()
    answer = send(stream="true", partial_images="2", n="2")
    worker.join()
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = events_of(answer.text)
    assert [kind for kind, _ in events] == [
        *["image_edit.partial_image"] * 2,
        *["image_edit.completed"] * 2,
    ]
    for number, (kind, event) in enumerate(events):
        assert event["type"] == kind
        assert event["output_format"] == "png"
        image = image_of(event["b64_json"])
        assert (image.format, f"{image.width}x{image.height}") == (
            "PNG",
            event["size"],
        ) or number > 1
        assert abs(event["created_at"] - time.time()) < 60
        assert (event["background"], event["quality"]) == ("auto", "auto")
    assert [event["partial_image_index"] for _, event in events[:2]] == [0, 1]
    assert all(event["usage"]["total_tokens"] == 0 for _, event in events[2:])


def test_a_failed_edit_ends_its_stream_with_an_error(send: Send, working: Any) -> None:
    problem = {"type": "/docs/problems/content_rejected", "title": "Rejected", "status": 422}
    problem |= {"detail": "Change the prompt.", "code": "content_rejected"}
    with working(EditStatus.FAILED, error=problem):
        answer = send(stream="true")
    ((kind, event),) = events_of(answer.text)
    assert (kind, event["type"]) == ("error", "error")
    assert event["error"] == {
        "message": "Change the prompt.",
        "type": "invalid_request_error",
        "param": None,
        "code": "content_rejected",
    }


# --- errors


@pytest.mark.parametrize(
    ("fields", "param", "says"),
    [
        ({"n": "9"}, "n", "less than or equal to 8"),
        ({"size": "1024x1024"}, "size", "64x64"),
        ({"size": "large"}, "size", "pattern"),
        ({"response_format": "png"}, "response_format", "b64_json"),
        ({"output_format": "gif"}, "output_format", "jpeg"),
        ({"output_compression": "101"}, "output_compression", "100"),
        ({"partial_images": "4", "stream": "true"}, "partial_images", "3"),
        ({"partial_images": "1"}, "partial_images", "`stream`"),
        ({"stream": "true", "response_format": "url"}, "response_format", "themselves"),
        ({"n": "2", "strength": "[0.1, 0.2, 0.3]"}, "n", "3"),
        ({"quality": "80"}, "quality", "standard"),
        ({"user": "ann", "metadata": '{"user": "bob"}'}, "user", "metadata.user"),
        ({"model": "gpt-image-2"}, "model", "Known: zoo"),
        ({"frame_count": "4"}, "frame_count", "no such field"),
        ({"prompt": ""}, "prompt", "at least 1"),
    ],
)
def test_a_wrong_field_is_refused_with_the_reason(
    send: Send, store: EditStore, fields: dict[str, str], param: str, says: str
) -> None:
    answer = send(**fields)
    assert answer.status_code == 422
    error = answer.json()["error"]
    assert (error["param"], error["type"]) == (param, "invalid_request_error")
    assert error["code"] == "validation_error"
    assert says in error["message"]
    assert store.waiting("zoo", longer_than=0, limit=1) == []


def test_a_mask_is_refused_because_none_is_needed(
    send: Send, make_image: Callable[..., bytes]
) -> None:
    image = ("photo.png", make_image(), "image/png")
    error = send(files={"image": image, "mask": image}).json()["error"]
    assert error["param"] == "mask"
    assert "it finds from `prompt` what to change" in error["message"]


def test_of_several_images_none_is_taken(send: Send, make_image: Callable[..., bytes]) -> None:
    image = ("photo.png", make_image(), "image/png")
    error = send(files=[("image[]", image), ("image[]", image)]).json()["error"]
    assert (error["param"], error["code"]) == ("image", "validation_error")
    assert "one photo" in error["message"]


def test_every_error_below_this_path_is_in_openais_form(
    client: TestClient, make_key: Callable[..., Any]
) -> None:
    assert client.get("/v1/images/edits").json()["error"]["code"] == "method_not_allowed"
    assert client.post("/v1/images/generations").json()["error"]["code"] == "not_found"
    make_key("ann")
    answer = client.post("/v1/images/edits")
    error = answer.json()["error"]
    assert (answer.status_code, error["type"]) == (401, "authentication_error")
    assert error["code"] == "unauthenticated"
    assert answer.headers["cache-control"] == "private, no-cache"
    assert client.post("/v1/edits").headers["content-type"] == "application/problem+json"


def test_a_key_over_its_limit_is_told_so(
    client: TestClient, send: Send, make_key: Callable[..., Any]
) -> None:
    headers, _ = make_key("ann", requests_per_minute=1)
    client.get("/v1/models", headers=headers)
    answer = send(headers=headers)
    assert (answer.status_code, answer.json()["error"]["type"]) == (429, "rate_limit_error")
    assert int(answer.headers["retry-after"]) > 0
    assert answer.headers["ratelimit"].startswith('"requests";r=0')
    assert "x-should-retry" not in answer.headers  # no edit was made: the clients may try again


@pytest.mark.parametrize(
    ("status", "code", "kind", "expected"),
    [
        (422, "content_rejected", "invalid_request_error", 422),
        (500, "model_error", "server_error", 500),
    ],
)
def test_a_failed_edit_is_an_error_that_no_client_repeats(
    send: Send, working: Any, status: int, code: str, kind: str, expected: int
) -> None:
    problem = {"type": f"/docs/problems/{code}", "title": "Failed", "status": status}
    with working(EditStatus.FAILED, error=problem | {"detail": "No.", "code": code}):
        answer = send()
    assert answer.status_code == expected
    assert answer.json()["error"] == {"message": "No.", "type": kind, "param": None, "code": code}
    assert answer.headers["x-should-retry"] == "false"


def test_a_canceled_edit_has_no_image(client: TestClient, send: Send, store: EditStore) -> None:
    def cancel() -> None:
        until(lambda: store.waiting("zoo", longer_than=0, limit=1), "an edit to wait")
        store.cancel(the_edit(store).submission.id, caller="local")

    thread = threading.Thread(target=cancel)
    thread.start()
    answer = send()
    thread.join()
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "not_finished")


# --- waiting


def test_a_wait_that_ends_before_the_edit_names_it(send: Send, store: EditStore) -> None:
    answer = send(headers={"Prefer": "wait=0"})
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (504, "wait_timeout")
    assert error["type"] == "server_error"
    record = the_edit(store)
    assert record.submission.id in error["message"]
    assert record.status is EditStatus.QUEUED
    assert answer.headers["x-should-retry"] == "false"


def test_a_request_sent_again_with_its_idempotency_key_gets_the_same_edit(
    send: Send, working: Any, store: EditStore, client: TestClient
) -> None:
    headers = {"Idempotency-Key": "order-1"}
    first = send(headers=headers | {"Prefer": "wait=0"}, n="2")
    assert first.status_code == 504
    assert "x-should-retry" not in first.headers  # sending it again is how to get the images
    with working():
        again = send(headers=headers, n="2")
    assert (again.status_code, len(again.json()["data"])) == (200, 2)
    assert again.headers["idempotent-replayed"] == "true"
    assert again.headers["location"] == first.headers["location"]
    assert len(client.get("/v1/edits").json()["data"]) == 1
    other = send(headers=headers, n="3")
    assert other.json()["error"]["code"] == "idempotency_mismatch"


@pytest.fixture
def address(settings: Settings, client: TestClient) -> Iterator[str]:
    """Yield the address of a real server beside the worker's announcement."""
    with serving(settings) as url:
        yield url


@pytest.mark.parametrize("stream", ["false", "true"])
@pytest.mark.parametrize(
    ("headers", "status"),
    [({}, EditStatus.CANCELED), ({"Idempotency-Key": "order-1"}, EditStatus.QUEUED)],
)
def test_an_edit_is_canceled_if_its_client_leaves_and_cannot_ask_again(
    address: str,
    store: EditStore,
    make_image: Callable[..., bytes],
    stream: str,
    headers: dict[str, str],
    status: EditStatus,
) -> None:
    body = {"prompt": "a cat that sits", "stream": stream}
    files = {"image": make_image()}
    request = httpx.Request(
        "POST", f"{address}/v1/images/edits", data=body, files=files, headers=headers
    )
    leaving = HTTPConnection(request.url.host, request.url.port)
    leaving.request("POST", request.url.path, request.read(), dict(request.headers))
    until(lambda: store.waiting("zoo", longer_than=0, limit=1), "the edit to begin")
    leaving.close()
    until(lambda: store.waiting("zoo", longer_than=0, limit=1) == [] or headers, "the edit to end")
    with httpx.Client(base_url=address, trust_env=False, timeout=PATIENCE) as other:
        (edit,) = other.get("/v1/edits").json()["data"]
    assert edit["status"] == status


# --- models


def test_models_have_the_fields_that_these_clients_read(client: TestClient) -> None:
    listing = client.get("/v1/models").json()
    assert listing["object"] == "list"
    (model,) = listing["data"]
    assert (model["id"], model["object"]) == ("zoo", "model")
    assert (model["created"], model["owned_by"]) == (0, "baret")


@pytest.mark.parametrize("name", ["zoo", "someone/a-model"])
def test_one_model_is_found_by_its_id(
    client: TestClient, store: EditStore, model: Model, name: str
) -> None:
    store.announce("worker-2", model.model_copy(update={"id": name}))
    listed = {one["id"]: one for one in client.get("/v1/models").json()["data"]}
    for path in (name, quote(name, safe="")):  # the official clients escape the slash
        assert client.get(f"/v1/models/{path}").json() == listed[name]
    assert client.head(f"/v1/models/{name}").status_code == 200
    unknown = client.get("/v1/models/gpt-image-1")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "not_found")
    assert "GET /v1/models" in unknown.json()["detail"]
