"""One edit after another, by the real editor on the bundled model."""

import base64
import hashlib
import io
import shutil
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import redis
from PIL import ExifTags, Image, ImageChops, ImageStat

from baret import Editor
from baret.errors import ImageError, OutOfMemory
from baret.model.loading import BUNDLED
from core.errors import EditNotFound
from core.images.sandbox import DecoderSandbox
from core.images.storage import ImageStorage
from core.schema import EditStatus, Record, Stage, Submission
from core.store.edits import Claim, EditStore
from housekeeper.maintenance import delete_images
from tests.support import crafted_images as crafted
from tests.support.color_profiles import BLUE, GREEN, RED, colour_profile
from tests.support.marks import assert_marked
from tests.support.safety_checkers import add_checker
from tests.support.watched_editor import Failing, WatchedEditor
from worker.runner import Runner

Events = Callable[[str], list[tuple[str, dict[str, Any]]]]
Submit = Callable[..., str]
Ended = Callable[[str], Record]
MakeRunner = Callable[..., Runner]

LOST = {"code": "worker_lost"}


def opened(files: ImageStorage, edit_id: str, name: str) -> Image.Image:
    data = files.get(edit_id, name)
    assert data is not None
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def image_names(files: ImageStorage, edit_id: str, attempt: int) -> list[str]:
    """Which of the names that an attempt could write are there."""
    kinds = ("output-0", "reconstruction", "transition", "attention")
    names = [f"{attempt}-{kind}.png" for kind in kinds]
    return [name for name in names if files.get(edit_id, name) is not None]


def test_an_edit_ends_with_the_picture_that_its_record_states(
    submit: Submit, ended: Ended, files: ImageStorage, sample: bytes
) -> None:
    edit_id = submit()
    record = ended(edit_id)
    assert (record.status, record.progress, record.error) == (EditStatus.SUCCEEDED, 1, None)
    assert record.result is not None
    (output,) = record.result.outputs
    data = files.get(edit_id, output.name)
    assert data is not None
    assert (output.sha256, output.bytes) == (hashlib.sha256(data).hexdigest(), len(data))
    image = opened(files, edit_id, output.name)
    assert (output.width, output.height) == image.size == (64, 64)
    assert output.interpolation == record.submission.params.interpolation
    assert output.content_type == "image/png"
    assert image.tobytes() != Image.open(io.BytesIO(sample)).convert("RGB").tobytes()


def test_what_an_edit_took_is_told_for_every_stage(submit: Submit, ended: Ended) -> None:
    record = ended(submit(inner_steps=1))
    assert record.result is not None
    metrics = record.result.metrics
    assert set(metrics.stage_seconds) == set(Stage)
    assert all(seconds > 0 for seconds in metrics.stage_seconds.values())
    # At most one inner step at each of ten timesteps; the first one's loss is far above the bound.
    assert metrics.inner_steps is not None
    assert 1 <= metrics.inner_steps <= 10
    assert metrics.reconstruction_psnr is not None
    assert metrics.reconstruction_psnr > 10  # dB; black instead of the photo would have about 5
    assert metrics.inversion_reused is False


def test_the_record_warns_of_unknown_words_and_of_a_prompt_that_was_cut(
    store: EditStore,
    files: ImageStorage,
    submission: Callable[..., Submission],
    sample: bytes,
    ended: Ended,
) -> None:
    asked = submission(num_inference_steps=10, inner_steps=0)
    asked = asked.model_copy(
        update={
            "prompt": "a photo of an astronaut riding a spaceship in the snow, looking to the left"
        }
    )
    files.put(asked.id, "input", sample)
    store.submit(asked, limit=10)
    result = ended(asked.id).result
    assert result is not None
    assert [(warning.code, warning.words) for warning in result.warnings] == [
        ("unknown_words", ["astronaut", "riding", "spaceship"]),
        ("prompt_truncated", ["to", "the", "left"]),
    ]
    assert all(warning.detail for warning in result.warnings)


# The extremes of docs/api.md, and a size that no model works in.
@pytest.mark.parametrize("size", [(128, 32), (32, 128), (101, 77)])
def test_an_output_has_the_size_of_its_photo(
    size: tuple[int, int], submit: Submit, ended: Ended, files: ImageStorage, sample: bytes
) -> None:
    edit_id = submit()
    photo = io.BytesIO()
    Image.open(io.BytesIO(sample)).convert("RGB").resize(size).save(photo, "PNG")
    files.put(edit_id, "input", photo.getvalue())
    result = ended(edit_id).result
    assert result is not None
    (output,) = result.outputs
    assert (output.width, output.height) == opened(files, edit_id, output.name).size == size


def test_each_interpolation_is_a_picture_in_the_order_asked(
    submit: Submit, ended: Ended, files: ImageStorage
) -> None:
    # With one inner step the tuned text is not the target text, so η chooses between two.
    edit_id = submit(interpolation=[1.0, 0.0], inner_steps=1)
    result = ended(edit_id).result
    assert result is not None
    assert [output.interpolation for output in result.outputs] == [1.0, 0.0]
    first, second = (opened(files, edit_id, output.name) for output in result.outputs)
    assert first.tobytes() != second.tobytes()


def test_artifacts_are_there_when_asked_for_only(
    submit: Submit, ended: Ended, files: ImageStorage
) -> None:
    with_artifacts = submit(artifacts=True)
    result = ended(with_artifacts).result
    assert result is not None
    assert set(result.artifacts) == {"reconstruction", "transition", "attention"}
    for stored in result.artifacts.values():
        image = opened(files, with_artifacts, stored.name)
        assert (image.format, image.size) == ("PNG", (stored.width, stored.height))

    without = submit()
    result = ended(without).result
    assert result is not None
    assert result.artifacts == {}
    assert image_names(files, without, attempt=1) == ["1-output-0.png"]


@pytest.mark.parametrize("form", ["png", "webp", "jpeg"])
def test_an_output_has_the_format_asked_for_and_nothing_of_the_photos_metadata(
    form: str, submit: Submit, ended: Ended, files: ImageStorage, sample: bytes
) -> None:
    photo = io.BytesIO()
    exif = Image.Exif()
    exif[ExifTags.Base.ImageDescription] = "taken at home"
    exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSAreaInformation] = b"taken at home"
    Image.open(io.BytesIO(sample)).save(
        photo, "JPEG", exif=exif, comment=b"taken at home", xmp=b"<x>taken at home</x>"
    )
    assert photo.getvalue().count(b"taken at home") == 4
    edit_id = submit(output_format=form)
    files.put(edit_id, "input", photo.getvalue())
    result = ended(edit_id).result
    assert result is not None
    (output,) = result.outputs
    assert output.content_type == f"image/{form}"
    assert opened(files, edit_id, output.name).format == form.upper()
    data = files.get(edit_id, output.name) or b""
    assert b"taken at home" not in data
    assert_marked(data)


def test_nothing_waits_nothing_is_run(runner: Runner, editor: WatchedEditor) -> None:
    assert runner.run_next() is None
    assert editor.steps == []


def test_stage_and_progress_reach_the_record_while_the_edit_runs(
    submit: Submit, ended: Ended, editor: WatchedEditor, store: EditStore
) -> None:
    edit_id = submit()
    stages = list(Stage)[1:]  # in `loading` the editor is not asked yet
    seen: list[Record] = []
    for stage in stages:
        editor.during(stage, lambda: seen.append(store.get(edit_id)))
    ended(edit_id)
    assert [record.stage for record in seen] == stages
    assert {record.status for record in seen} == {EditStatus.RUNNING}
    assert all(before.progress < after.progress for before, after in pairwise(seen))
    assert seen[0].progress > 0
    assert seen[-1].progress < 1


def test_the_stream_tells_every_stage_in_order_then_the_end(
    submit: Submit, ended: Ended, events: Events
) -> None:
    edit_id = submit()
    ended(edit_id)
    told = events(edit_id)
    assert [(kind, data["status"]) for kind, data in told if kind != "progress"] == [
        ("status", "queued"),
        ("status", "running"),
        ("done", "succeeded"),
    ]
    assert told[-1][0] == "done"
    progress = [data for kind, data in told if kind == "progress"]
    stages = list(dict.fromkeys(data["stage"] for data in progress))
    # The edit is in `loading` from its claim on, which the status event has told.
    assert [stage for stage in stages if stage != "loading"] == list(Stage)[1:]
    shares = [data["progress"] for data in progress]
    assert shares == sorted(shares)


def test_a_running_edit_is_canceled_within_one_unet_call(
    submit: Submit,
    ended: Ended,
    editor: WatchedEditor,
    store: EditStore,
    files: ImageStorage,
    events: Events,
) -> None:
    edit_id = submit()
    editor.during(5, lambda: store.cancel(edit_id, caller="local"))
    record = ended(edit_id)
    assert (record.status, record.result, record.error) == (EditStatus.CANCELED, None, None)
    assert len(editor.steps) == 5  # the call that was under way was the last
    assert image_names(files, edit_id, attempt=1) == []
    assert events(edit_id)[-1] == ("done", {"status": "canceled"})


def test_a_leaving_worker_hands_its_edit_back_uncounted(
    submit: Submit,
    ended: Ended,
    runner: Runner,
    make_runner: MakeRunner,
    editor: WatchedEditor,
    store: EditStore,
    notified: list[str],
) -> None:
    edit_id = submit()
    editor.during(5, runner.stop)
    record = ended(edit_id)
    assert (record.status, record.attempt, record.progress) == (EditStatus.QUEUED, 0, 0)
    assert notified == [edit_id]
    assert len(editor.steps) == 5
    assert runner.run_next() is None  # it takes nothing any more

    assert make_runner(editor).run_next() == edit_id
    record = store.get(edit_id)
    assert (record.status, record.attempt) == (EditStatus.SUCCEEDED, 1)


def test_an_attempt_whose_lease_went_to_another_publishes_nothing(
    submit: Submit,
    ended: Ended,
    editor: WatchedEditor,
    store: EditStore,
    files: ImageStorage,
    events: Events,
    let_lease_run_out: Callable[[str], None],
) -> None:
    edit_id = submit()
    other: list[Claim | None] = []

    def lose() -> None:
        let_lease_run_out(edit_id)
        store.reclaim_expired_leases(LOST)
        other.append(store.claim("zoo"))

    editor.during(5, lose)
    record = ended(edit_id)
    assert other == [Claim(edit_id, 2)]
    assert (record.status, record.attempt, record.result) == (EditStatus.RUNNING, 2, None)
    assert len(editor.steps) == 5
    assert "done" not in [kind for kind, _ in events(edit_id)]
    assert image_names(files, edit_id, attempt=1) == []


class WatchedFiles(ImageStorage):
    """Acts before a picture is written."""

    def __init__(self, url: str, before_put: Callable[[], None]):
        super().__init__(url)
        self._before_put = before_put

    def put(self, edit_id: str, name: str, data: bytes) -> None:
        self._before_put()
        super().put(edit_id, name, data)


def test_an_attempt_that_loses_its_lease_after_its_last_report_publishes_nothing(
    submit: Submit,
    make_runner: MakeRunner,
    editor: WatchedEditor,
    store: EditStore,
    events: Events,
    tmp_path: Path,
    let_lease_run_out: Callable[[str], None],
) -> None:
    edit_id = submit()

    def lose() -> None:
        let_lease_run_out(edit_id)
        store.reclaim_expired_leases(LOST)
        assert store.claim("zoo") == Claim(edit_id, 2)

    files = WatchedFiles((tmp_path / "pictures").as_uri(), before_put=lose)
    assert make_runner(editor, files=files).run_next() == edit_id
    record = store.get(edit_id)
    assert (record.status, record.attempt, record.result) == (EditStatus.RUNNING, 2, None)
    assert "done" not in [kind for kind, _ in events(edit_id)]


def test_an_edit_that_runs_too_long_fails(
    submit: Submit, make_runner: MakeRunner, editor: WatchedEditor, store: EditStore
) -> None:
    edit_id = submit()
    editor.during(5, lambda: time.sleep(1.1))
    make_runner(editor, timeout=1).run_next()
    record = store.get(edit_id)
    assert record.status is EditStatus.FAILED
    assert record.error is not None
    assert record.error["code"] == "timeout"
    assert len(editor.steps) <= 5  # fewer where the machine itself is slow


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (OutOfMemory("CUDA out of memory: 79.1 GiB on cuda:0"), "out_of_memory"),
        (RuntimeError("/srv/baret/models/unet.py: expected 4 channels"), "model_error"),
    ],
)
def test_an_error_fails_the_edit_and_tells_nothing_of_the_inside(
    error: Exception,
    code: str,
    submit: Submit,
    make_runner: MakeRunner,
    store: EditStore,
    events: Events,
) -> None:
    edit_id = submit()
    make_runner(Failing(error)).run_next()
    record = store.get(edit_id)
    assert (record.status, record.result) == (EditStatus.FAILED, None)
    problem = record.error
    assert problem is not None
    assert (problem["code"], problem["type"]) == (code, f"/docs/problems/{code}")
    assert set(problem) == {"type", "title", "status", "detail", "code"}
    assert not any(word in str(problem) for word in ("srv", "cuda", "CUDA", "Error", "channels"))
    assert events(edit_id)[-1] == ("done", {"status": "failed"})


def test_a_picture_that_the_method_cannot_take_is_told(
    submit: Submit, make_runner: MakeRunner, store: EditStore
) -> None:
    edit_id = submit()
    make_runner(Failing(ImageError("it is under 32 pixels high"))).run_next()
    problem = store.get(edit_id).error
    assert problem is not None
    assert (problem["code"], problem["detail"]) == (
        "model_error",
        "The image: it is under 32 pixels high",
    )


@pytest.mark.parametrize("data", [b"no picture", crafted.jpeg_of_many_scans(20_000)])
def test_a_photo_that_cannot_be_decoded_fails_its_edit_alone(
    data: bytes,
    submit: Submit,
    make_runner: MakeRunner,
    editor: WatchedEditor,
    files: ImageStorage,
    store: EditStore,
) -> None:
    # None comes past the front end; one whose file was changed since would.
    broken, whole = submit(), submit()
    files.put(broken, "input", data)
    runner = make_runner(editor, sandbox=DecoderSandbox(cpu_seconds=1))
    assert [runner.run_next(), runner.run_next()] == [broken, whole]
    problem = store.get(broken).error
    assert problem is not None
    assert problem["detail"].startswith("The image: ")
    assert store.get(whole).status is EditStatus.SUCCEEDED


def test_a_photo_whose_exif_can_be_read_and_not_written_is_edited(
    submit: Submit, ended: Ended, files: ImageStorage, sample: bytes
) -> None:
    photo = io.BytesIO()
    Image.open(io.BytesIO(sample)).save(photo, "JPEG", exif=crafted.unwritable_exif())
    edit_id = submit()
    files.put(edit_id, "input", photo.getvalue())
    assert ended(edit_id).status is EditStatus.SUCCEEDED


def test_after_an_edit_without_its_picture_the_runner_takes_the_next(
    submit: Submit, runner: Runner, store: EditStore, files: ImageStorage
) -> None:
    broken, whole = submit(), submit()
    files.delete(broken)
    assert [runner.run_next(), runner.run_next()] == [broken, whole]
    problem = store.get(broken).error
    assert problem is not None
    assert problem["code"] == "model_error"
    assert store.get(whole).status is EditStatus.SUCCEEDED


def test_previews_are_told_while_the_edit_is_made_where_asked_for(
    submit: Submit, ended: Ended, events: Events
) -> None:
    edit_id = submit(previews=True, interpolation=[0.2, 0.9], num_inference_steps=12)
    ended(edit_id)
    told = events(edit_id)
    previews = [data for kind, data in told if kind == "preview"]
    # After 5 and 10 of 12 steps, of each output.
    assert [data["interpolation"] for data in previews] == [0.2, 0.2, 0.9, 0.9]
    shares = [data["progress"] for data in previews]
    assert shares == sorted(shares) and 0 < shares[0] < shares[-1] < 1
    for data in previews:
        head, _, text = data["image"].partition(",")
        assert head == "data:image/webp;base64"
        image = Image.open(io.BytesIO(base64.b64decode(text)))
        assert (image.format, image.size) == ("WEBP", (64, 64))
        assert len(data["image"]) < 5000
    assert "preview" not in [kind for kind, _ in events(ended(submit()).submission.id)]


def test_an_edit_deleted_while_it_runs_stops_within_one_unet_call_and_leaves_nothing(
    submit: Submit,
    runner: Runner,
    editor: WatchedEditor,
    store: EditStore,
    tmp_path: Path,
) -> None:
    edit_id = submit()
    editor.during(5, lambda: store.delete(edit_id, caller="local"))
    assert runner.run_next() == edit_id
    assert len(editor.steps) == 5
    with pytest.raises(EditNotFound):
        store.get(edit_id)
    assert list((tmp_path / "pictures").rglob("*")) == []
    assert runner.run_next() is None


def test_an_edit_deleted_while_its_pictures_are_written_leaves_nothing(
    submit: Submit,
    make_runner: MakeRunner,
    editor: WatchedEditor,
    store: EditStore,
    tmp_path: Path,
    redis_url: str,
) -> None:
    edit_id = submit(artifacts=True)
    folder = tmp_path / "pictures"
    deleted: list[str] = []

    def delete() -> None:
        if not deleted:
            store.delete(edit_id, caller="local")
            ImageStorage(folder.as_uri()).delete(edit_id)
            deleted.append(edit_id)

    files = WatchedFiles(folder.as_uri(), before_put=delete)
    assert make_runner(editor, files=files).run_next() == edit_id
    assert deleted == [edit_id]
    assert not (folder / edit_id).exists()
    # What may still be written is the housekeeper's, once nobody can write any longer.
    with redis.Redis.from_url(redis_url) as client:
        due = client.zrange("baret:erased", 0, -1)
        client.zadd("baret:erased", dict.fromkeys(due, 1))
    delete_images(store, ImageStorage(folder.as_uri()))
    assert list(folder.rglob("*")) == []


def test_a_photo_in_another_colour_space_comes_back_in_srgb(
    submit: Submit, ended: Ended, files: ImageStorage, sample: bytes
) -> None:
    def output_of(data: bytes) -> Image.Image:
        edit_id = submit()
        files.put(edit_id, "input", data)
        result = ended(edit_id).result
        assert result is not None
        return opened(files, edit_id, result.outputs[0].name)

    photo = Image.open(io.BytesIO(sample)).convert("RGB")
    plain, tagged = io.BytesIO(), io.BytesIO()
    photo.save(plain, "PNG")
    # Red and green change places in this profile, and so they do in the pixels.
    r, g, b = photo.split()
    swapped = Image.merge("RGB", (g, r, b))
    swapped.save(tagged, "PNG", icc_profile=colour_profile(GREEN, RED, BLUE))
    ours, theirs = output_of(plain.getvalue()), output_of(tagged.getvalue())
    assert "icc_profile" not in theirs.info
    # Not equal: the edit makes more of what the conversion rounds.
    assert max(ImageStat.Stat(ImageChops.difference(ours, theirs)).mean) < 2
    assert max(ImageStat.Stat(ImageChops.difference(photo, swapped)).mean) > 10


@pytest.mark.parametrize("refuses", [True, False])
def test_what_the_models_own_checker_refuses_is_not_stored(
    refuses: bool,
    submit: Submit,
    store: EditStore,
    files: ImageStorage,
    make_runner: MakeRunner,
    events: Events,
    tmp_path: Path,
) -> None:
    folder = Path(shutil.copytree(BUNDLED / "zoo", tmp_path / "zoo"))
    add_checker(folder, refuses=refuses)
    edit_id = submit(artifacts=True, previews=True)
    make_runner(Editor.from_pretrained(str(folder), device="cpu")).run_next()
    record = store.get(edit_id)
    previews = [kind for kind, _ in events(edit_id)].count("preview")
    if refuses:
        assert previews == 0
        assert (record.status, record.result) == (EditStatus.FAILED, None)
        assert record.error is not None
        assert record.error["code"] == "content_rejected"
        assert image_names(files, edit_id, attempt=1) == []
    else:
        assert record.status is EditStatus.SUCCEEDED
        assert previews > 0
