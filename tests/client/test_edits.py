"""What a program does with edits, on the real application."""

import base64
import io
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from baret_client import (
    Client,
    EditCanceled,
    EditData,
    EditFailed,
    EditNotEnded,
    Event,
    NotFinished,
    NotFound,
    UnsupportedImage,
    ValidationFailed,
)
from PIL import Image

from core.schema import EditStatus, Model
from core.store.edits import EditStore

MakeImage = Callable[..., bytes]
PROMPT = "a cat that sits"


@pytest.fixture
def photo(make_image: MakeImage, tmp_path: Path) -> Path:
    path = tmp_path / "cat.png"
    path.write_bytes(make_image())
    return path


def kinds_of(path: Path) -> dict[str, Any]:
    """Return one image in every form that the client takes."""
    data = path.read_bytes()
    return {
        "a path": path,
        "text": str(path),
        "bytes": data,
        "a file": io.BytesIO(data),
        "Pillow's": Image.open(path),
        "a data URL": data_url(data),
    }


def data_url(data: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"


def test_an_edit_goes_from_a_file_to_the_bytes_of_its_image(
    client: Client, photo: Path, finish: Callable[..., Any]
) -> None:
    edit = client.edits.create(photo, prompt=PROMPT, seed=7, metadata={"order": "1"})
    assert (edit.status, edit.prompt, edit.params["seed"]) == ("queued", PROMPT, 7)
    assert edit.metadata == {"order": "1"}
    finish()
    done = edit.wait()
    assert done.status == "succeeded" and done.id == edit.id
    assert Image.open(io.BytesIO(done.image())).size == (64, 64)
    assert Image.open(io.BytesIO(done.image(format="webp"))).format == "WEBP"
    assert done.outputs[0].bytes == len(done.image())


@pytest.mark.parametrize("kind", ["a path", "text", "bytes", "a file", "Pillow's", "a data URL"])
def test_every_kind_of_image_arrives(client: Client, photo: Path, kind: str) -> None:
    edit = client.edits.create(kinds_of(photo)[kind], prompt=PROMPT)
    assert (edit.input.width, edit.input.height) == (64, 64)
    assert edit.input.content_type == "image/png"


def test_a_pillow_image_keeps_its_turn(client: Client, make_image: MakeImage) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by a quarter
    image = Image.open(io.BytesIO(make_image("JPEG", size=(80, 48), exif=exif)))
    edit = client.edits.create(image, prompt=PROMPT)
    assert (edit.input.width, edit.input.height) == (48, 80)


def test_what_cannot_be_sent_is_refused_before_it_is(client: Client, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"none\.png"):
        client.edits.create(tmp_path / "none.png", prompt=PROMPT)
    with pytest.raises(TypeError, match="an image, an earlier edit as `source`, or an upload"):
        client.edits.create(prompt=PROMPT)
    with pytest.raises(TypeError, match="CMYK"):
        client.edits.create(Image.new("CMYK", (64, 64)), prompt=PROMPT)
    with pytest.raises(TypeError, match="'rb'"):
        client.edits.create(io.StringIO("text"), prompt=PROMPT)  # type: ignore[arg-type]
    assert list(client.edits.list()) == []


def test_another_edit_of_the_same_photo_needs_no_upload(
    client: Client, photo: Path, finish: Callable[..., Any]
) -> None:
    first = client.edits.create(photo, prompt=PROMPT)
    finish()
    second = client.edits.create(source=first, prompt=PROMPT, strength=[0.4, 0.8])
    assert second.input == first.input
    finish()
    outputs = second.wait().outputs
    assert [one.strength for one in outputs] == [0.4, 0.8]
    assert Image.open(io.BytesIO(second.image(strength=0.8))).size == (64, 65)


def test_waiting_reports_how_far_the_edit_is(
    client: Client, photo: Path, finish: Callable[..., Any]
) -> None:
    seen: list[EditData] = []

    def on_progress(edit: EditData) -> None:
        seen.append(edit)
        if len(seen) == 1:
            finish()

    edit = client.edits.create(photo, prompt=PROMPT)
    edit.wait(on_progress=on_progress)
    assert [one.status for one in seen] == ["queued", "succeeded"]
    assert seen[0].queue_position == 0


def test_an_edit_that_ends_without_an_image_raises(
    client: Client, photo: Path, finish: Callable[..., Any]
) -> None:
    failing = client.edits.create(photo, prompt=PROMPT)
    problem = {"title": "Out of memory", "status": 503, "code": "out_of_memory", "type": "/x"}
    finish(EditStatus.FAILED, error=problem | {"detail": "Request fewer outputs."})
    with pytest.raises(EditFailed, match=r"Out of memory\. Request fewer outputs") as failed:
        failing.wait()
    assert failed.value.error and failed.value.error.code == "out_of_memory"
    canceled = client.edits.create(photo, prompt=PROMPT)
    assert canceled.cancel().status == "canceled"
    with pytest.raises(EditCanceled):
        canceled.wait()
    with pytest.raises(NotFinished):
        canceled.image()


def test_waiting_has_an_end_of_its_own(client: Client, photo: Path) -> None:
    edit = client.edits.create(photo, prompt=PROMPT)
    with pytest.raises(EditNotEnded) as late:
        edit.wait(timeout=0.1)
    assert late.value.edit.status == "queued"
    assert edit.refresh().status == "queued"


def test_the_stream_has_every_event_up_to_the_end(
    client: Client, photo: Path, finish: Callable[..., Any]
) -> None:
    edit = client.edits.create(photo, prompt=PROMPT)
    events: list[Event] = []
    thread = threading.Thread(target=finish)
    for event in edit.stream():
        events.append(event)
        if len(events) == 1:
            thread.start()
    thread.join()
    assert [event.type for event in events] == ["status", "status", "done"]
    assert events[-1].data["edit"]["id"] == edit.id


def test_lists_lead_through_all_pages(client: Client, photo: Path) -> None:
    data = photo.read_bytes()
    edits = [client.edits.create(data, prompt=PROMPT, metadata={"n": str(n)}) for n in range(3)]
    edits[0].cancel()
    assert [one.id for one in client.edits.list()] == [one.id for one in reversed(edits)]
    assert [one.id for one in client.edits.list(status="canceled")] == [edits[0].id]
    assert [one.id for one in client.edits.list(metadata={"n": "2"})] == [edits[2].id]


def test_a_deleted_edit_is_gone(client: Client, photo: Path) -> None:
    edit = client.edits.create(photo, prompt=PROMPT)
    edit.delete()
    with pytest.raises(NotFound):
        edit.refresh()


def test_refusals_say_what_to_do(client: Client, photo: Path) -> None:
    with pytest.raises(ValidationFailed, match="/strength") as refused:
        client.edits.create(photo, prompt=PROMPT, strength=2)
    assert refused.value.problem.errors[0].pointer.startswith("/strength")
    assert refused.value.request_id
    with pytest.raises(UnsupportedImage, match="JPEG, PNG"):
        client.edits.create(b"no image", prompt=PROMPT)


def test_models_are_listed(client: Client) -> None:
    (model,) = client.models.list()
    assert (model.id, model.default, model.native_size) == ("zoo", True, (64, 64))
    assert model.presets["auto"]["strength"] == 0.7


def test_a_batch_edit_lets_another_go_first(client: Client, photo: Path) -> None:
    batch = client.edits.create(photo, prompt=PROMPT, priority="batch")
    assert batch.priority == "batch"
    assert client.edits.create(photo, prompt=PROMPT).queue_position == 0
    assert client.edits.get(batch).queue_position == 1


def test_a_model_that_sleeps_says_so(client: Client, store: EditStore, model: Model) -> None:
    assert client.models.list()[0].state == "ready"
    store.withdraw("worker-1", model)
    assert client.models.list()[0].state == "sleeping"
