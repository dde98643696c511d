"""Models, health, the OpenAPI document, pages, logs, and starting up."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from html.parser import HTMLParser
from importlib.metadata import version
from typing import Any

import pytest
from fastapi.testclient import TestClient
from httpx import Response

from api.app import create_app
from api.openapi.examples import EDIT, QUEUED
from api.responses.openai_answer import ImageEvent, OpenAIImages
from api.responses.sse import EVENTS
from api.routes.create import EXAMPLE as REQUEST
from api.routes.events import EXAMPLES as EVENT_EXAMPLES
from api.routes.models import EXAMPLE as MODEL
from api.routes.models import ListedModel
from api.routes.openai_description import EVENT_EXAMPLES as IMAGE_EVENTS
from api.routes.openai_description import EXAMPLE as IMAGES
from api.submission.parsing import CreateEditRequest
from core.schema import Edit, Model
from core.settings import Settings
from core.store.edits import EditStore
from core.telemetry.logs import configure_logs


def test_every_model_that_had_a_worker_is_listed_with_its_state(
    client: TestClient, store: EditStore, model: Model
) -> None:
    for number, name in enumerate(("asleep", "waking")):
        gone = model.model_copy(update={"id": name})
        store.announce(f"worker-{number}", gone)
        store.withdraw(f"worker-{number}", gone)
    store.announce_loading("worker-4", "waking", since=store.now())
    store.announce_loading("worker-5", "new", since=store.now())
    models = client.get("/v1/models").json()["data"]
    assert [(m["id"], m["default"], m["state"]) for m in models] == [
        ("asleep", False, "sleeping"),
        ("waking", False, "loading"),
        ("zoo", True, "ready"),
    ]
    assert models[2]["native_size"] == {"width": 64, "height": 64}
    assert models[2]["licence"] == "Apache-2.0"


def test_one_model_is_the_default_although_the_configured_one_is_unknown(
    settings: Settings, store: EditStore, model: Model, make_image: Callable[..., bytes]
) -> None:
    for name in ("c", "b", "a"):
        store.announce("worker-1", model.model_copy(update={"id": name}))
    store.withdraw("worker-1", model.model_copy(update={"id": "a"}))
    with TestClient(create_app(settings)) as client:
        models = client.get("/v1/models").json()["data"]
        fields = {"data": {"prompt": "a cat"}, "files": {"image": make_image()}}
        edit = client.post("/v1/edits", **fields).json()
    # "a" sleeps, so it is not the first choice.
    assert [(m["id"], m["default"]) for m in models] == [("a", False), ("b", True), ("c", False)]
    assert edit["model"] == "b"


def test_an_edit_for_a_sleeping_model_is_queued(
    client: TestClient, store: EditStore, model: Model, post: Callable[..., Response]
) -> None:
    store.withdraw("worker-1", model)
    answer = post()
    assert (answer.status_code, answer.json()["status"]) == (202, "queued")
    assert post(model="never-there").status_code == 422


def test_the_status_tells_models_workers_queues_and_versions(
    client: TestClient, store: EditStore, model: Model, post: Callable[..., Response]
) -> None:
    store.announce("worker-1", model, version="9.9", started_in=31.24)
    asleep = model.model_copy(update={"id": "asleep"})
    store.announce("worker-2", asleep, version="0.0")
    store.withdraw("worker-2", asleep)
    post(priority="batch"), post(), store.claim("zoo"), time.sleep(0.2)
    status = client.get("/v1/status").json()
    oldest = status["oldest_wait_seconds"]
    assert 0.1 <= oldest < 60
    totals = (status["workers"], status["queued"], status["running"])
    assert totals == (1, 1, 1)
    nothing, zoo = status["models"]
    assert zoo == {
        "id": "zoo",
        "state": "ready",
        "workers": 1,
        "workers_loading": 0,
        "queued": 1,
        "queued_batch": 1,
        "running": 1,
        "oldest_wait_seconds": oldest,
        "cold_start_seconds": 31.2,
        "load_seconds": None,
        "load_error": None,
    }
    assert (nothing["state"], nothing["cold_start_seconds"]) == ("sleeping", None)
    assert status["versions"] == {"api": version("baret"), "workers": ["9.9"]}


def test_a_worker_of_several_models_counts_once_and_says_what_it_could_not_load(
    client: TestClient, store: EditStore, model: Model
) -> None:
    slept = model.model_copy(update={"id": "slept"})
    store.announce("worker-1", model, loaded_in=4.26)
    store.announce_standby("worker-1", slept)
    store.announce_failed("worker-1", "bad", "bad.safetensors is a LoRA.")
    status = client.get("/v1/status").json()
    states = {one["id"]: (one["state"], one["load_error"]) for one in status["models"]}
    assert states == {
        "bad": ("failed", "bad.safetensors is a LoRA."),
        "slept": ("sleeping", None),
        "zoo": ("ready", None),
    }
    assert (status["workers"], status["models"][2]["load_seconds"]) == (1, 4.3)
    assert client.get("/readyz").json()["workers"] == 1
    listed = client.get("/v1/models").json()["data"]
    assert [(one["id"], one["state"]) for one in listed] == [
        ("slept", "sleeping"),
        ("zoo", "ready"),
    ]


def test_without_workers_there_are_no_models(bare_client: TestClient) -> None:
    assert bare_client.get("/v1/models").json() == {"object": "list", "data": []}


def test_ready_with_or_without_workers(client: TestClient, store: EditStore, model: Model) -> None:
    assert client.get("/readyz").json() == {"status": "ready", "workers": 1}
    store.withdraw("worker-1", model)
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ready", "workers": 0})
    assert client.get("/healthz").json() == {"status": "ok"}


def test_not_ready_names_what_is_missing(settings_without_redis: Settings) -> None:
    with TestClient(create_app(settings_without_redis)) as client:
        answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert int(answer.headers["retry-after"]) > 0
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/redis"]


# --- the OpenAPI document


def every_reference(node: Any) -> set[str]:
    if isinstance(node, dict):
        own = {node["$ref"]} if isinstance(node.get("$ref"), str) else set()
        return own.union(*map(every_reference, node.values()))
    return set().union(*map(every_reference, node)) if isinstance(node, list) else set()


def test_the_description_is_openapi_3_1_and_its_references_resolve(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    for reference in every_reference(document):
        node = document
        for step in reference.removeprefix("#/").split("/"):
            node = node[step]


def test_every_operation_has_an_example_and_its_problems(client: TestClient) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    assert set(paths) == {
        "/v1/edits",
        "/v1/edits/{edit_id}",
        "/v1/edits/{edit_id}/cancel",
        "/v1/edits/{edit_id}/events",
        "/v1/edits/{edit_id}/image",
        "/v1/edits/{edit_id}/deliveries",
        "/v1/edits/{edit_id}/deliveries/{delivery_id}/replay",
        "/v1/webhooks/secret",
        "/v1/webhooks/secret/rotate",
        "/v1/files/{edit_id}/{name}",
        "/v1/tokens",
        "/v1/uploads",
        "/v1/uploads/{upload_id}",
        "/v1/batches",
        "/v1/batches/{batch_id}",
        "/v1/batches/{batch_id}/cancel",
        "/v1/batches/{batch_id}/results",
        "/v1/models",
        "/v1/models/{model_id}",
        "/v1/status",
        "/v1/images/edits",
        "/healthz",
        "/readyz",
        "/metrics",
    }
    for path, operations in paths.items():
        for operation in operations.values():
            good = {s: a for s, a in operation["responses"].items() if s.startswith("2")}
            assert good
            if not path.endswith(("/image", "{name}")):
                with_body = [a for s, a in good.items() if s != "204"]
                assert all("example" in m for a in with_body for m in a["content"].values())
            for status, answer in operation["responses"].items():
                if status in ("304", "307"):
                    assert ("ETag" if status == "304" else "Location") in answer["headers"]
                elif not status.startswith("2"):
                    openai = path.startswith("/v1/images/")
                    expected = "application/json" if openai else "application/problem+json"
                    assert set(answer["content"]) == {expected}
                if status == "503":
                    assert "Retry-After" in answer["headers"]


def test_operations_on_edits_and_models_tell_what_keys_bring(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    scheme = document["components"]["securitySchemes"]["key"]
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")
    for path, operations in document["paths"].items():
        for operation in operations.values():
            keyed = ("/v1/edits", "/v1/models", "/v1/status", "/v1/webhooks", "/v1/tokens")
            keyed += ("/metrics", "/v1/images", "/v1/batches")
            if not path.startswith(keyed) and path != "/v1/uploads":
                assert "security" not in operation
                continue
            assert operation["security"] == [{"key": []}, {}]
            answers = operation["responses"]
            assert "WWW-Authenticate" in answers["401"]["headers"]
            assert "Retry-After" in answers["429"]["headers"]
            for status, answer in answers.items():
                limits = {"RateLimit", "RateLimit-Policy"} <= answer.get("headers", {}).keys()
                assert limits == (status != "401"), (path, status)


def test_posting_tells_of_idempotency_keys(client: TestClient) -> None:
    operation = client.get("/openapi.json").json()["paths"]["/v1/edits"]["post"]
    assert "Idempotency-Key" in {parameter["name"] for parameter in operation["parameters"]}
    answers = operation["responses"]
    for status in ("201", "202"):
        assert "Idempotent-Replayed" in answers[status]["headers"]
    codes = {code for answer in answers.values() for code in examples(answer)}
    assert {"idempotency_mismatch", "idempotency_in_progress", "rate_limited"} <= codes


def examples(answer: dict[str, Any]) -> set[str]:
    """Return the codes of the problems in an answer's examples."""
    problems: dict[str, Any] = answer["content"].get("application/problem+json", {})
    return set(problems.get("examples", {}))


def test_the_examples_are_what_they_show() -> None:
    Edit.model_validate(EDIT)
    Edit.model_validate(QUEUED)
    ListedModel.model_validate(MODEL)
    OpenAIImages.model_validate(IMAGES)
    for one in IMAGE_EVENTS:
        ImageEvent.model_validate(one)
    for _, kind, data in EVENT_EXAMPLES:
        EVENTS[kind].model_validate(data)
    assert {kind for _, kind, _ in EVENT_EXAMPLES} == set(EVENTS)
    flat = {name: value for name, value in REQUEST.items() if name != "params"}
    CreateEditRequest.model_validate(flat | REQUEST["params"])


# --- pages


class Links(HTMLParser):
    """Collects what a page loads, and counts inline scripts and styles."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.inline = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        if tag in ("script", "img", "link"):
            self.loaded += [address for key in ("src", "href") if (address := named.get(key))]
        self.inline += (
            tag == "style" or "style" in named or (tag == "script" and "src" not in named)
        )
        self.inline += any(name.startswith("on") for name in named)


@pytest.mark.parametrize("path", ["/", "/docs", "/docs/problems/not_found"])
def test_a_page_loads_only_what_the_service_serves(client: TestClient, path: str) -> None:
    page = client.get(path)
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    links = Links()
    links.feed(page.text)
    assert links.inline == 0
    assert links.loaded
    for address in links.loaded:
        assert client.get(address).status_code == 200, address


def test_every_input_of_the_page_has_a_label(client: TestClient) -> None:
    page = client.get("/").text
    inputs = set(re.findall(r'<(?:input|textarea|select|progress)[^>]* id="(\w+)"', page))
    inputs |= set(re.findall(r'<(?:input|textarea|select|progress) id="(\w+)"', page))
    labels = set(re.findall(r'<label[^>]* for="(\w+)"', page)) | {"manual"}  # inside its label
    labels |= set(re.findall(r'<input id="(\w+)"[^>]* aria-label="', page))
    assert inputs
    assert inputs <= labels


# --- requests


def test_a_request_has_an_id_its_own_or_a_new_one(client: TestClient) -> None:
    assert (
        client.get("/v1/models", headers={"X-Request-Id": "a-1"}).headers["x-request-id"] == "a-1"
    )
    new = client.get("/v1/models").headers["x-request-id"]
    assert re.fullmatch(r"[0-9a-f]{32}", new)
    for bad in ("x" * 200, "a b", "a;drop"):
        answer = client.get("/nothing", headers={"X-Request-Id": bad})
        assert re.fullmatch(r"[0-9a-f]{32}", answer.headers["x-request-id"])


def test_one_line_a_request_and_the_edits_id_at_its_acceptance(
    settings: Settings,
    post: Callable[..., Response],
    client: TestClient,
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logs(level="INFO", form="json", part="api")
    answer = post(headers={"X-Request-Id": "r-1"})
    client.get(answer.json()["urls"]["self"])  # a successful GET: no line at INFO
    client.get("/v1/edits/a%0Ab?secret=1")
    client.get("/healthz")
    client.get("/readyz")
    client.get("/v1/files/x/y")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    ours = [line for line in lines if line["event"] in ("accepted", "request")]
    accepted, first, second = ours
    assert accepted["edit"] == answer.json()["id"]
    assert accepted["request_id"] == first["request_id"] == "r-1"
    assert (first["method"], first["path"], first["status"]) == ("POST", "/v1/edits", 202)
    assert first["ms"] >= 0
    assert (second["path"], second["status"]) == ("/v1/edits/a%0Ab", 422)


# --- starting up


def run_python(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        env={"PATH": "", **environment},
        check=False,
    )


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({"BARET_DATA_DIR": "/nonexistent", "BARET_STORE_URL": "memory://"}, "REDIS_URL"),
        ({"REDIS_URL": "redis://127.0.0.1:1", "BARET_C2PA_KEY": "/x"}, "BARET_C2PA_CERTIFICATE"),
    ],
)
def test_the_service_refuses_to_start_and_says_what_to_set(
    environment: dict[str, str], named: str
) -> None:
    done = run_python("-m", "api", **environment)
    assert done.returncode == 1
    assert named in done.stderr
    assert "Traceback" not in done.stderr


def test_api_client_and_jobs_import_without_torch() -> None:
    program = """
import importlib, pkgutil, sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "diffusers", "transformers", "baret", "zoo"):
            raise ImportError(name + " must not be imported here")

sys.meta_path.insert(0, Blocked())
import api, cli, core, housekeeper
for package in (api, cli, core, housekeeper):
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        # A command imports these two once it needs them (tests/cli/test_imports.py).
        if not module.name.endswith(("__main__", "cli.checks.device", "cli.edit.in_process")):
            importlib.import_module(module.name)
import api.__main__
"""
    done = run_python("-c", program)
    assert done.returncode == 0, done.stderr
