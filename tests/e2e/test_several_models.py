"""A worker of several models as a process: one of two fits, and both queues are served."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.samples import MIDDLING, QUICK, SAMPLES
from tests.support.service import Edit, Service, running_service


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    data: Path = tmp_path_factory.mktemp("several")
    (data / "bad.safetensors").write_bytes(b"no weights")
    models = f"a=zoo,bad={data / 'bad.safetensors'},b=zoo"
    # The bundled model takes 0.05 GB: there is room for one.
    with running_service(data, BARET_MODELS=models, BARET_MODEL_MEMORY_GB="0.06") as service:
        service.have_workers(1)
        yield service


def post(service: Service, model: str, steps: dict[str, int] = QUICK) -> str:
    photo = (SAMPLES / "00-posture.png").read_bytes()
    fields = {"prompt": "a photo of a cat", "model": model}
    fields |= {name: str(value) for name, value in steps.items()}
    answer = service.http.post("/v1/edits", files={"image": photo}, data=fields)
    assert answer.status_code == 202, answer.text
    edit_id: str = answer.json()["id"]
    return edit_id


def states(service: Service) -> dict[str, str]:
    models = service.http.get("/v1/status").json()["models"]
    return {model["id"]: model["state"] for model in models}


def test_each_model_is_served_although_one_fits_and_another_is_bad(service: Service) -> None:
    wanted = {"a": "ready", "bad": "failed", "b": "sleeping"}
    service.until(lambda: states(service) == wanted, "the announcements")
    (bad,) = [m for m in service.http.get("/v1/status").json()["models"] if m["id"] == "bad"]
    assert "bad" in bad["load_error"] and "/" not in bad["load_error"]
    edits = [post(service, model) for model in "abab"]
    ended: list[Edit] = [service.ended(edit) for edit in edits]
    assert [edit["status"] for edit in ended] == ["succeeded"] * 4
    (worker,) = service.workers
    assert worker.lines("model unloaded", model="a")
    assert service.http.get("/readyz").json()["workers"] == 1


def test_a_worker_that_is_stopped_hands_the_edits_back_to_the_next(service: Service) -> None:
    edit = post(service, "b")
    (worker,) = service.have_workers(1)
    worker.send(signal.SIGTERM)
    assert worker.ends() == 0
    service.until(lambda: service.live_workers() == 0, "no live worker")
    service.start_worker()
    assert service.ended(edit)["status"] == "succeeded"


def test_the_edits_of_a_worker_that_is_killed_run_again(service: Service) -> None:
    edit = post(service, "a", MIDDLING)
    worker = service.runs(edit)
    worker.send(signal.SIGKILL)
    worker.ends()
    service.start_worker()
    ended = service.ended(edit)
    assert (ended["status"], ended["metrics"]["attempts"]) == ("succeeded", 2)
