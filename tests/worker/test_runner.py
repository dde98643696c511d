"""Edits from claim to result, by the real editor on the bundled model."""

import hashlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import ExifTags, Image, ImageChops, ImageStat

from baret import Editor
from baret.errors import ImageError, OutOfMemory
from core.images.keys import new_photo_prefix, photo_prefix
from core.images.sandbox import DecoderSandbox
from core.images.storage import ImageStorage
from core.schema import Artifacts, EditStatus, Record, Stage, Submission
from core.store.edits import EditStore
from tests.support import crafted_images as crafted
from tests.support.color_profiles import BLUE, GREEN, RED, colour_profile
from tests.support.marks import assert_marked
from tests.support.safety_checkers import add_checker
from tests.support.small_model import small_folder
from tests.support.watched_editor import Failing, WatchedEditor
from tests.worker.stored_images import image_names, opened
from worker.runner import Runner

Events = Callable[[str], list[tuple[str, dict[str, Any]]]]
Submit = Callable[..., str]
Ended = Callable[[str], Record]
MakeRunner = Callable[..., Runner]


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
    assert (output.width, output.height) == image.size == (128, 128)
    assert output.strength == record.submission.params.strength
    assert output.content_type == "image/png"
    assert image.tobytes() != Image.open(io.BytesIO(sample)).convert("RGB").tobytes()


def test_what_an_edit_took_is_told_for_every_stage(submit: Submit, ended: Ended) -> None:
    record = ended(submit(inner_steps=1))
    assert record.result is not None
    metrics = record.result.metrics
    assert set(metrics.stage_seconds) == set(Stage) - {Stage.DETAILING}
    assert all(seconds > 0 for seconds in metrics.stage_seconds.values())
    assert metrics.inner_steps == 1
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
    made = submission(num_inference_steps=10, inner_steps=0)
    made = made.model_copy(
        update={
            "prompt": "a photo of an astronaut riding a spaceship in the snow, looking to the left"
        }
    )
    files.put(new_photo_prefix(made.id), "input", sample)
    store.submit(made, limit=10)
    result = ended(made.id).result
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
    files.put(new_photo_prefix(edit_id), "input", photo.getvalue())
    result = ended(edit_id).result
    assert result is not None
    (output,) = result.outputs
    assert (output.width, output.height) == opened(files, edit_id, output.name).size == size


def test_each_strength_is_a_picture_in_the_order_asked(
    submit: Submit, ended: Ended, files: ImageStorage
) -> None:
    # With one inner step the tuned text is not the target text, so η chooses between two.
    edit_id = submit(strength=[1.0, 0.0], inner_steps=1)
    result = ended(edit_id).result
    assert result is not None
    assert [output.strength for output in result.outputs] == [1.0, 0.0]
    first, second = (opened(files, edit_id, output.name) for output in result.outputs)
    assert first.tobytes() != second.tobytes()


def test_detail_is_a_stage_of_its_own(
    submit: Submit, ended: Ended, files: ImageStorage, store: EditStore, sample: bytes
) -> None:
    edit_id, large = submit(detail="auto"), io.BytesIO()
    Image.open(io.BytesIO(sample)).resize((160, 160)).save(large, "PNG")
    files.put(photo_prefix(store.get(edit_id).submission), "input", large.getvalue())
    result = ended(edit_id).result
    assert result is not None
    assert set(result.metrics.stage_seconds) == set(Stage)
    assert opened(files, edit_id, result.outputs[0].name).size == (160, 160)


def test_artifacts_are_there_when_asked_for_only(
    submit: Submit, ended: Ended, files: ImageStorage, sample: bytes
) -> None:
    with_artifacts = submit(artifacts=True)
    result = ended(with_artifacts).result
    assert result is not None
    assert set(result.artifacts) == set(Artifacts.model_fields)
    for stored in result.artifacts.values():
        image = opened(files, with_artifacts, stored.name)
        assert (image.format, image.size) == ("PNG", (stored.width, stored.height))
    photo = opened(files, with_artifacts, result.artifacts["photo"].name)
    assert photo.tobytes() == Image.open(io.BytesIO(sample)).convert("RGB").tobytes()

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
    files.put(new_photo_prefix(edit_id), "input", photo.getvalue())
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


@pytest.mark.parametrize("data", [b"no image", crafted.jpeg_of_many_scans(20_000)])
def test_a_photo_that_cannot_be_decoded_fails_its_edit_alone(
    data: bytes,
    submit: Submit,
    make_runner: MakeRunner,
    editor: WatchedEditor,
    files: ImageStorage,
    store: EditStore,
) -> None:
    # The front end accepts no such file, but one may be changed afterwards.
    broken, whole = submit(), submit()
    files.put(new_photo_prefix(broken), "input", data)
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
    files.put(new_photo_prefix(edit_id), "input", photo.getvalue())
    assert ended(edit_id).status is EditStatus.SUCCEEDED


def test_after_an_edit_without_its_picture_the_runner_takes_the_next(
    submit: Submit, runner: Runner, store: EditStore, files: ImageStorage
) -> None:
    broken, whole = submit(), submit()
    files.delete(new_photo_prefix(broken))
    assert [runner.run_next(), runner.run_next()] == [broken, whole]
    problem = store.get(broken).error
    assert problem is not None
    assert problem["code"] == "model_error"
    assert store.get(whole).status is EditStatus.SUCCEEDED


def test_a_photo_in_another_colour_space_comes_back_in_srgb(
    submit: Submit, ended: Ended, files: ImageStorage, sample: bytes
) -> None:
    def output_of(data: bytes) -> Image.Image:
        edit_id = submit()
        files.put(new_photo_prefix(edit_id), "input", data)
        result = ended(edit_id).result
        assert result is not None
        return opened(files, edit_id, result.outputs[0].name)

    photo = Image.open(io.BytesIO(sample)).convert("RGB")
    plain, tagged = io.BytesIO(), io.BytesIO()
    photo.save(plain, "PNG")
    # This profile swaps red and green, and so do the pixels.
    r, g, b = photo.split()
    swapped = Image.merge("RGB", (g, r, b))
    swapped.save(tagged, "PNG", icc_profile=colour_profile(GREEN, RED, BLUE))
    ours, theirs = output_of(plain.getvalue()), output_of(tagged.getvalue())
    assert "icc_profile" not in theirs.info
    # Not equal, because the edit amplifies the rounding of the conversion.
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
    folder = small_folder(tmp_path / "zoo")
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
