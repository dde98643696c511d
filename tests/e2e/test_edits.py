"""Edits from a photo and a sentence to the edited photo, by a model that stays resident."""

import base64
import hashlib
import io
from collections.abc import Callable
from typing import Any

from PIL import Image

from tests.support.samples import QUICK
from tests.support.service import Process, Service

Submit = Callable[..., str]


def image_of(service: Service, output: dict[str, Any]) -> Image.Image:
    """Return the image at an output's address, which must be as the output states."""
    answer = service.http.get(output["url"])
    assert answer.status_code == 200
    assert answer.headers["content-type"] == output["content_type"]
    assert len(answer.content) == output["bytes"]
    assert hashlib.sha256(answer.content).hexdigest() == output["sha256"]
    image = Image.open(io.BytesIO(answer.content))
    image.load()
    assert image.size == (output["width"], output["height"])
    return image


def test_the_service_is_ready_without_workers_and_counts_them(service: Service) -> None:
    service.have_workers(0)
    # A worker that was killed still counts as live for some seconds.
    service.until(lambda: service.live_workers() == 0, "no live worker")
    assert service.http.get("/readyz").json() == {"status": "ready", "workers": 0}

    service.have_workers(1)
    assert service.live_workers() == 1
    (model,) = service.http.get("/v1/models").json()["data"]
    assert (model["id"], model["state"]) == ("zoo", "ready")


def test_an_edit_for_a_sleeping_model_waits_and_says_how_long(
    service: Service, submit: Submit
) -> None:
    service.have_workers(1)
    service.ended(submit(**QUICK))  # a run and a cold start have been measured
    service.have_workers(0)
    service.until(lambda: service.live_workers() == 0, "no live worker")
    start = service.http.get("/v1/status").json()["models"][0]["cold_start_seconds"]
    edit_id = submit(**QUICK)
    edit = service.edit(edit_id)
    assert edit["status"] == "queued" and edit["eta_seconds"] > start > 0
    service.start_worker()
    service.until(
        lambda: service.http.get("/v1/models").json()["data"][0]["state"] == "loading",
        "the model to be loading",
    )
    service.have_workers(1)
    assert service.ended(edit_id)["status"] == "succeeded"


def test_an_edit_as_a_form_gives_the_edited_picture(
    service: Service, worker: Process, submit: Submit, photo: bytes
) -> None:
    edit = service.ended(submit(**QUICK))
    assert (edit["status"], edit["progress"], edit["error"]) == ("succeeded", 1, None)
    (output,) = edit["outputs"]
    image = image_of(service, output)
    before = Image.open(io.BytesIO(photo)).convert("RGB")
    assert image.size == before.size
    assert image.tobytes() != before.tobytes()
    assert edit["metrics"]["attempts"] == 1
    assert edit["created_at"] <= edit["started_at"] <= edit["completed_at"]


def test_an_edit_as_json_gives_every_picture_asked_for(
    service: Service, worker: Process, sample: dict[str, Any], photo: bytes
) -> None:
    request = {
        "prompt": sample["prompt"],
        "image": {"base64": base64.b64encode(photo).decode()},
        "strength": [0.2, 1.0],
        "output_format": "webp",
        "artifacts": True,
        "num_inference_steps": 10,
        "inner_steps": 1,
    }
    answer = service.http.post("/v1/edits", json=request, headers={"Prefer": "wait=60"})
    assert answer.status_code == 201, answer.text
    edit = answer.json()
    assert [output["strength"] for output in edit["outputs"]] == [0.2, 1.0]
    first, second = (image_of(service, output) for output in edit["outputs"])
    assert first.format == second.format == "WEBP"
    assert first.tobytes() != second.tobytes()
    kinds = {"photo", "reconstruction", "transition", "attention", "mask"}
    assert set(edit["artifacts"]) == kinds
    for url in edit["artifacts"].values():
        assert Image.open(io.BytesIO(service.http.get(url).content)).format == "PNG"


def test_the_same_request_gives_the_same_bytes(
    service: Service, worker: Process, submit: Submit
) -> None:
    edits = [service.ended(submit(**QUICK, seed=7)) for _ in range(2)]
    first, second = (edit["outputs"][0] for edit in edits)
    assert first["sha256"] == second["sha256"]
    assert edits[0]["id"] != edits[1]["id"]


def test_the_model_stays_resident(service: Service, worker: Process, submit: Submit) -> None:
    service.ended(submit(**QUICK))
    second = service.ended(submit(**QUICK))
    seconds = second["metrics"]["stage_seconds"]
    # The first edit stored the photo's pivots.
    assert "inverting" not in seconds and set(seconds) >= {"loading", "editing", "decoding"}
    (loaded,) = worker.lines("model loaded")
    assert (loaded["prediction"], loaded["zero_snr"]) == ("v_prediction", False)
    assert loaded["found_by"] == "its scheduler_config.json"
    assert len(worker.lines("ended", status="succeeded")) >= 2


def test_one_edits_lines_are_found_by_its_id_in_every_process(
    service: Service, worker: Process, submit: Submit
) -> None:
    edit_id, other = submit(**QUICK), submit(**QUICK)
    service.ended(edit_id)
    service.ended(other)
    worker.says("ended", edit=other)
    accepted = service.api.lines(edit=edit_id)
    assert [(line["part"], line["event"]) for line in accepted] == [("api", "accepted")]
    run = worker.lines(edit=edit_id)
    assert [(line["part"], line["event"]) for line in run] == [
        ("worker", "started"),
        ("worker", "ended"),
    ]
