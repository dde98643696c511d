"""The edit as promised to clients: every field in every state, and URLs that work."""

import hashlib
import re
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from fastapi.testclient import TestClient
from httpx import Response

from core.access.api_keys import ApiKey
from core.images.storage import ImageStorage
from core.schema import (
    Artifacts,
    EditStatus,
    Metrics,
    Params,
    Result,
    Stage,
    StoredImage,
    Submission,
)
from core.settings import Settings
from core.store.edits import EditStore

Post = Callable[..., Response]
Finish = Callable[..., Any]
MakeImage = Callable[..., bytes]

FIELDS = {
    *("id", "object", "created_at", "started_at", "completed_at", "expires_at", "status", "stage"),
    *(
        "progress",
        "queue_position",
        "eta_seconds",
        "priority",
        "prompt",
        "model",
        "params",
        "metadata",
    ),
    *("input", "outputs", "artifacts", "warnings", "metrics", "error", "urls"),
    "user",
}
METRICS = {
    *("queue_seconds", "run_seconds", "stage_seconds", "reconstruction_psnr", "inner_steps"),
    *("inversion_reused", "attempts"),
}
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
HOUR = 3600


def complete(edit: dict[str, Any]) -> dict[str, Any]:
    """Assert that an edit has every field and no others, and return it."""
    assert edit.keys() == FIELDS
    assert edit["metrics"].keys() == METRICS
    assert edit["urls"].keys() == {"self", "cancel", "events"}
    assert edit["params"].keys() == Params.model_fields.keys()
    assert edit["input"].keys() == {"width", "height", "content_type", "sha256"}
    assert re.fullmatch(r"edit_[0-9a-f]{32}", edit["id"])
    for name in ("created_at", "started_at", "completed_at", "expires_at"):
        assert edit[name] is None or TIME.fullmatch(edit[name]), name
    return edit


def test_an_edit_has_every_field_in_every_state(
    post: Post, client: TestClient, store: EditStore, make_image: MakeImage
) -> None:
    posted = complete(post(metadata='{"order": "1"}').json())
    url = f"/v1/edits/{posted['id']}"
    assert (posted["object"], posted["prompt"]) == ("edit", "a cat that sits")
    assert posted["metadata"] == {"order": "1"}
    assert (posted["status"], posted["stage"], posted["started_at"]) == ("queued", None, None)
    claim = store.claim("zoo")
    assert claim is not None
    for stage in Stage:
        store.report(claim, stage, 0.5)
        running = complete(client.get(url).json())
        assert (running["status"], running["stage"]) == ("running", stage.value)
        assert (running["completed_at"], running["outputs"]) == (None, [])
    output = StoredImage(
        name="output-0.png",
        strength=0.7,
        width=64,
        height=64,
        content_type="image/png",
        sha256=hashlib.sha256(make_image()).hexdigest(),
        bytes=len(make_image()),
    )
    measured = Metrics(stage_seconds={Stage.EDITING: 0.5}, reconstruction_psnr=30, inner_steps=9)
    result = Result(outputs=[output], metrics=measured)
    store.finish(claim, EditStatus.SUCCEEDED, result=result)
    ended = complete(client.get(url).json())
    assert (ended["status"], ended["stage"], ended["progress"]) == ("succeeded", None, 1)
    assert ended["outputs"][0].keys() == {
        *("strength", "interpolation", "url", "width", "height", "content_type", "sha256", "bytes")
    }
    metrics = ended["metrics"]
    assert metrics["queue_seconds"] >= 0
    assert metrics["run_seconds"] >= 0
    assert metrics["stage_seconds"] == {"editing": 0.5}
    assert (metrics["reconstruction_psnr"], metrics["inner_steps"]) == (30, 9)
    assert (metrics["inversion_reused"], metrics["attempts"]) == (False, 1)


@pytest.mark.parametrize("status", [EditStatus.FAILED, EditStatus.CANCELED])
def test_an_edit_that_ended_without_pictures_has_every_field(
    post: Post, client: TestClient, finish: Finish, status: EditStatus
) -> None:
    url = post().json()["urls"]["self"]
    finish(status)
    edit = complete(client.get(url).json())
    assert (edit["status"], edit["outputs"], edit["artifacts"]) == (status.value, [], None)
    assert edit["completed_at"] < edit["expires_at"]


def test_artifacts_are_addresses_that_need_no_key(
    post: Post,
    client: TestClient,
    store: EditStore,
    settings: Settings,
    make_image: MakeImage,
    make_key: Callable[..., tuple[dict[str, str], ApiKey]],
) -> None:
    key, _ = make_key()
    edit = post(headers=key, artifacts="true").json()
    assert edit["artifacts"] is None
    claim = store.claim("zoo")
    assert claim is not None
    names = tuple(Artifacts.model_fields)
    data = {name: make_image(size=(64, 64 + number)) for number, name in enumerate(names)}
    for name in names:
        ImageStorage(settings.images_url).put(claim.id, f"{name}.png", data[name])
    stored = {
        name: StoredImage(
            name=f"{name}.png",
            width=64,
            height=64,
            content_type="image/png",
            sha256="0" * 64,
            bytes=len(data[name]),
        )
        for name in names
    }
    store.finish(claim, EditStatus.SUCCEEDED, result=Result(artifacts=stored))
    artifacts = client.get(edit["urls"]["self"], headers=key).json()["artifacts"]
    assert {name: client.get(url).content for name, url in artifacts.items()} == data


def test_picture_addresses_hold_for_an_hour_and_each_look_gives_fresh_ones(
    post: Post,
    client: TestClient,
    finish: Finish,
    make_key: Callable[..., tuple[dict[str, str], ApiKey]],
) -> None:
    key, _ = make_key()
    url = post(headers=key).json()["urls"]["self"]
    finish()

    def address() -> str:
        output_url: str = client.get(url, headers=key).json()["outputs"][0]["url"]
        return output_url

    def expires(address: str) -> int:
        return int(parse_qs(urlsplit(address).query)["expires"][0])

    first = address()
    assert expires(first) - time.time() == pytest.approx(HOUR, abs=60)
    time.sleep(1)
    assert expires(address()) > expires(first)
    assert client.get(first).status_code == 200  # without a key


def test_metadata_may_be_as_large_as_promised(post: Post, client: TestClient) -> None:
    metadata = {f"{number:03}".ljust(512, "k"): "ü" * 512 for number in range(16)}
    image = {"source": post().json()["id"], "prompt": "x", "metadata": metadata}
    answer = client.post("/v1/edits", json=image)
    assert (answer.status_code, answer.json()["metadata"]) == (202, metadata)


def test_a_page_has_twenty_edits_where_nothing_else_is_asked_and_a_hundred_at_most(
    client: TestClient, store: EditStore, submission: Callable[..., Submission]
) -> None:
    for _ in range(101):
        store.submit(submission(), limit=200)
    assert len(client.get("/v1/edits").json()["data"]) == 20
    page = client.get("/v1/edits?limit=100").json()
    assert len(page["data"]) == 100
    assert page["next_cursor"] is not None


def test_ids_sort_by_the_time_of_acceptance(post: Post) -> None:
    edits = [post().json() for _ in range(4)]
    assert [edit["id"] for edit in edits] == sorted(edit["id"] for edit in edits)
    # RFC 9562, 5.7: the first 48 bits are milliseconds since 1970.
    for edit in edits:
        stamp = int(edit["id"].removeprefix("edit_")[:12], 16) / 1000
        created = datetime.fromisoformat(edit["created_at"]).timestamp()
        assert abs(timedelta(seconds=stamp - created)) < timedelta(seconds=2)


@pytest.mark.parametrize("wait", [0, 60])
def test_the_bounds_of_waiting_are_accepted(
    post: Post, client: TestClient, finish: Finish, wait: int
) -> None:
    url = post().json()["urls"]["self"]
    finish()
    assert client.get(f"{url}?wait={wait}").json()["status"] == "succeeded"
