"""POST /v1/edits: what is accepted, and what an accepted edit looks like."""

import base64
import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from httpx import Response

from api.app import create_app
from core.broker.app import queue_name
from core.errors import StoreUnavailable
from core.images.keys import new_photo_prefix
from core.images.storage import ImageStorage
from core.schema import EditStatus
from core.settings import Settings
from core.store import keys
from core.store.connection import connect
from core.store.edits import EditStore

MakeImage = Callable[..., bytes]
Post = Callable[..., Response]


def test_a_posted_edit_is_accepted_with_every_default_filled_in(
    post: Post, make_image: MakeImage
) -> None:
    answer = post()
    assert answer.status_code == 202
    edit = answer.json()
    assert answer.headers["location"] == edit["urls"]["self"]
    assert edit["urls"]["self"] == f"http://testserver/v1/edits/{edit['id']}"
    assert edit["urls"]["cancel"] == f"{edit['urls']['self']}/cancel"
    assert edit["urls"]["events"].startswith(f"{edit['urls']['self']}/events?ticket=")
    assert (edit["object"], edit["status"], edit["queue_position"]) == ("edit", "queued", 0)
    assert edit["created_at"].endswith("Z")
    assert edit["model"] == "zoo"
    assert edit["params"] == {
        "preset": "auto",
        "strength": 0.7,
        "interpolation": 0.7,
        "self_attention_until": 0.4,
        "cross_attention_until": 0.6,
        "num_inference_steps": 20,
        "guidance_scale": 4.0,
        "inner_steps": 8,
        "seed": 0,
        "detail": "off",
        "output_format": "png",
        "quality": 95,
        "artifacts": False,
        "previews": False,
        "webhook_url": None,
        "webhook_events": ["edit.succeeded", "edit.failed", "edit.canceled"],
    }
    assert edit["input"] == {
        "width": 64,
        "height": 64,
        "content_type": "image/png",
        "sha256": hashlib.sha256(make_image()).hexdigest(),
    }


def test_form_fields_are_parameters(post: Post) -> None:
    edit = post(
        preset="style",
        strength="[0.25, 0.5]",
        num_inference_steps="20",
        guidance_scale="3.5",
        artifacts="true",
        metadata='{"order": "12"}',
        webhook_url="https://hooks.example.com/x",
        webhook_events='["edit.failed"]',
        model="zoo",
    ).json()
    params = edit["params"]
    assert params["preset"] == "style"
    assert params["strength"] == [0.25, 0.5]
    assert (params["num_inference_steps"], params["guidance_scale"]) == (20, 3.5)
    assert params["artifacts"] is True
    assert params["webhook_events"] == ["edit.failed"]
    assert edit["metadata"] == {"order": "12"}


def test_a_form_can_hold_its_parameters_as_json_text(post: Post) -> None:
    edit = post(params='{"seed": 5, "strength": 0.1}', quality="80").json()
    assert (edit["params"]["seed"], edit["params"]["quality"]) == (5, 80)
    assert edit["params"]["strength"] == 0.1


@pytest.mark.parametrize("prefix", ["", "data:image/png;base64,", "data:;base64,"])
def test_json_takes_a_picture_as_base64(
    client: TestClient, make_image: MakeImage, prefix: str
) -> None:
    text = prefix + base64.encodebytes(make_image()).decode()  # with its line breaks
    body = {
        "image": {"base64": text},
        "prompt": "  a cat  ",
        "params": {"seed": 5},
        "quality": 80,
        "metadata": {"a": "b"},
    }
    answer = client.post("/v1/edits", json=body)
    assert answer.status_code == 202
    edit = answer.json()
    assert edit["prompt"] == "a cat"
    assert (edit["params"]["seed"], edit["params"]["quality"]) == (5, 80)
    assert edit["input"]["sha256"] == hashlib.sha256(make_image()).hexdigest()


@pytest.fixture
def image_server(make_image: MakeImage) -> Iterator[str]:
    """Serve images in the local network; return the address."""
    data = make_image()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/a.png" else 404)
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


def test_json_takes_a_picture_by_url(client: TestClient, image_server: str) -> None:
    body = {"image": {"url": f"{image_server}/a.png"}, "prompt": "a cat"}
    assert client.post("/v1/edits", json=body).status_code == 202


def test_a_url_that_does_not_deliver_is_a_problem(client: TestClient, image_server: str) -> None:
    body = {"image": {"url": f"{image_server}/b.png"}, "prompt": "a cat"}
    problem = client.post("/v1/edits", json=body).json()
    assert (problem["status"], problem["code"]) == (422, "fetch_failed")
    assert problem["errors"][0]["pointer"] == "/image/url"


def test_an_earlier_edit_can_be_the_source(
    post: Post, client: TestClient, settings: Settings, make_image: MakeImage
) -> None:
    first = post().json()
    answer = client.post("/v1/edits", json={"source": first["id"], "prompt": "a dog"})
    assert answer.status_code == 202
    second = answer.json()
    assert second["input"] == first["input"]
    stored = [path.read_bytes() for path in settings.data_dir.rglob("input")]
    assert stored == [make_image()]  # both share it


def test_an_edit_of_an_earlier_version_can_be_the_source(
    post: Post, client: TestClient, settings: Settings, make_image: MakeImage, redis_url: str
) -> None:
    first, folder = post().json()["id"], settings.data_dir / "pictures"
    with connect(redis_url) as redis:
        submission = json.loads(redis.hget(keys.edit(first), "submission") or "")
        del submission["photo"]
        redis.hset(keys.edit(first), "submission", json.dumps(submission))
    (folder / new_photo_prefix(first)).rename(folder / first)
    answer = client.post("/v1/edits", json={"source": first, "prompt": "a dog"})
    files = ImageStorage(settings.images_url)
    assert files.get(new_photo_prefix(answer.json()["id"]), "input") == make_image()
    (folder / first / "input").unlink()
    answer = client.post("/v1/edits", json={"source": first, "prompt": "a dog"})
    assert answer.json()["errors"][0]["pointer"] == "/source"


def test_the_picture_is_stored_as_it_came_and_a_worker_is_told(
    post: Post, settings: Settings, store: EditStore, make_image: MakeImage
) -> None:
    edit = post().json()
    assert (
        ImageStorage(settings.images_url).get(new_photo_prefix(edit["id"]), "input") == make_image()
    )
    assert store.messages(queue_name("zoo")) == 1


@pytest.mark.parametrize(
    ("prefer", "applied"),
    [("respond-async, wait=20", "wait=20"), ('wait="5"; x=y', "wait=5"), ("wait=600", "wait=60")],
)
def test_prefer_wait_answers_201_once_the_edit_has_ended(
    post: Post, finish: Callable[..., object], store: EditStore, prefer: str, applied: str
) -> None:
    def work() -> None:
        while not store.waiting("zoo", longer_than=0, limit=1):
            time.sleep(0.01)
        finish()

    worker = threading.Thread(target=work)
    worker.start()
    answer = post(headers={"Prefer": prefer})
    worker.join()
    assert answer.status_code == 201
    assert answer.headers["preference-applied"] == applied
    assert answer.headers["location"] == answer.json()["urls"]["self"]
    assert answer.json()["status"] == "succeeded"


def test_prefer_wait_answers_202_when_the_time_is_over(post: Post) -> None:
    answer = post(headers={"Prefer": "wait=1"})
    assert answer.status_code == 202
    assert answer.headers["preference-applied"] == "wait=1"
    assert answer.json()["status"] == "queued"


@pytest.mark.parametrize("prefer", ["wait=0", "wait=soon", "wait", "return=minimal", "await=5"])
def test_a_preference_that_cannot_be_met_is_passed_over(post: Post, prefer: str) -> None:
    answer = post(headers={"Prefer": prefer})
    assert answer.status_code == 202
    assert "preference-applied" not in answer.headers


def test_the_only_live_model_is_taken_where_the_configured_one_is_unknown(
    settings: Settings, store: EditStore, model: Any, make_image: MakeImage
) -> None:
    store.announce("worker-1", model)
    other = settings.model_copy(update={"model": "elsewhere"})
    with TestClient(create_app(other)) as client:
        answer = client.post("/v1/edits", data={"prompt": "x"}, files={"image": make_image()})
    assert answer.json()["model"] == "zoo"


def test_a_broker_that_hiccups_does_not_lose_an_accepted_edit(
    settings: Settings, store: EditStore, model: Any, make_image: MakeImage
) -> None:
    store.announce("worker-1", model)
    app = create_app(settings)
    app.state.services.celery.conf.broker_url = "redis://127.0.0.1:1/0"
    with TestClient(app) as client:
        answer = client.post("/v1/edits", data={"prompt": "x"}, files={"image": make_image()})
    assert answer.status_code == 202
    assert store.get(answer.json()["id"]).status is EditStatus.QUEUED


def test_a_full_queue_keeps_nothing_of_the_refused_edit(
    post: Post, settings: Settings, tmp_path: Path
) -> None:
    for _ in range(settings.queue_limit):
        assert post().status_code == 202
    answer = post()
    assert (answer.status_code, answer.json()["code"]) == (503, "queue_full")
    assert int(answer.headers["retry-after"]) > 0
    stored = [path for path in (tmp_path / "pictures").rglob("input") if path.is_file()]
    assert len(stored) == settings.queue_limit


def test_a_form_that_is_json_inside_json_is_equal_to_a_form(
    client: TestClient, make_image: MakeImage
) -> None:
    params = {"strength": [0.1, 0.9], "preset": "object", "seed": 3}
    form = client.post(
        "/v1/edits",
        data={"prompt": "x", "params": json.dumps(params)},
        files={"image": make_image()},
    ).json()
    image = {"base64": base64.b64encode(make_image()).decode()}
    flat = client.post("/v1/edits", json={"prompt": "x", "image": image, **params}).json()
    assert form["params"] == flat["params"]


class LossyStore(EditStore):
    """Accepts an edit, but its answer gets lost."""

    def submit(self, *args: Any, **kwargs: Any) -> None:
        super().submit(*args, **kwargs)
        raise StoreUnavailable("Redis does not answer.")


def test_an_edit_whose_acceptance_could_not_be_learned_keeps_its_picture(
    client: TestClient, post: Post, store: EditStore, settings: Settings, redis_url: str
) -> None:
    app: Any = client.app
    with connect(redis_url) as redis:
        app.state.services = replace(app.state.services, store=LossyStore(redis))
        assert post().status_code == 503
    claim = store.claim("zoo")  # it was accepted nevertheless
    assert claim is not None
    assert ImageStorage(settings.images_url).get(new_photo_prefix(claim.id), "input") is not None


def test_an_edit_that_is_refused_leaves_no_picture_and_nothing_to_delete(
    post: Post, store: EditStore, settings: Settings
) -> None:
    answers = [post().status_code for _ in range(7)]  # five may wait
    assert answers[-1] == 503
    stored = {path.parent.name for path in Path(settings.data_dir).rglob("input")}
    assert len(stored) == answers.count(202)
    assert store.claim_deletion() is None
