"""Inversions stored between edits, by the real editor on the bundled model."""

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from baret import EditOptions, Editor, Inversion, InversionOptions
from baret.model.stable_diffusion import StableDiffusion
from core.errors import StoreUnavailable
from core.images.storage import ImageStorage
from core.schema import Record, Submission
from tests.support.watched_editor import WatchedEditor
from worker.inversion_cache import InversionCache

OPTIONS = InversionOptions(num_inference_steps=10, inner_steps=1)
MAX_BYTES = 2**25
PROMPT = "a cat that sits"  # of `submission`


@pytest.fixture(scope="module")
def photo(sample: bytes) -> Image.Image:
    return Image.open(io.BytesIO(sample))


@pytest.fixture(scope="module")
def inversion(diffusion: StableDiffusion, photo: Image.Image) -> Inversion:
    return Editor(diffusion).invert(photo, PROMPT, OPTIONS)


@pytest.fixture
def cache(files: ImageStorage, diffusion: StableDiffusion) -> InversionCache:
    return InversionCache(files, diffusion, max_bytes=MAX_BYTES)


def changed(submission: Submission, **fields: Any) -> Submission:
    return submission.model_copy(update=fields)


def test_what_was_kept_is_found_whole_and_edits_the_same(
    cache: InversionCache,
    diffusion: StableDiffusion,
    photo: Image.Image,
    inversion: Inversion,
    submission: Callable[..., Submission],
) -> None:
    assert cache.find(submission(), photo, OPTIONS) is None
    cache.save(submission(), inversion)
    found = cache.find(submission(), photo, OPTIONS)
    assert found is not None
    editor, options = Editor(diffusion), EditOptions(inversion=OPTIONS)
    again = editor.edit(found, inversion.prompt, options)
    fresh = editor.edit(photo, inversion.prompt, options)
    assert again.inversion_reused
    assert again.image.tobytes() == fresh.image.tobytes()


def test_the_photo_itself_is_not_kept_a_second_time(
    cache: InversionCache,
    files: ImageStorage,
    inversion: Inversion,
    submission: Callable[..., Submission],
) -> None:
    cache.save(submission(), inversion)
    (stored,) = files.list("_inversions")
    data = files.get("_inversions", stored.name)
    assert data is not None
    assert Inversion.from_bytes(data).photo.size == 3


@pytest.mark.parametrize(
    "change", [{"num_inference_steps": 20}, {"inner_steps": 2}, {"seed": 1}], ids=str
)
def test_other_options_of_the_inversion_find_nothing(
    cache: InversionCache,
    photo: Image.Image,
    inversion: Inversion,
    submission: Callable[..., Submission],
    change: dict[str, int],
) -> None:
    cache.save(submission(), inversion)
    assert cache.find(submission(), photo, replace(OPTIONS, **change)) is None
    assert cache.find(submission(), photo, OPTIONS) is not None


def test_another_caller_picture_or_text_finds_nothing(
    cache: InversionCache,
    photo: Image.Image,
    inversion: Inversion,
    submission: Callable[..., Submission],
) -> None:
    mine = submission()
    cache.save(mine, inversion)
    other_image = mine.input.model_copy(update={"sha256": "1" * 64})
    assert cache.find(changed(mine, caller="another"), photo, OPTIONS) is None
    assert cache.find(changed(mine, user="ann"), photo, OPTIONS) is None
    assert cache.find(changed(mine, input=other_image), photo, OPTIONS) is None
    assert cache.find(changed(mine, prompt="a cat"), photo, OPTIONS) is None


def test_a_caller_keeps_no_more_than_allowed_and_others_lose_nothing(
    files: ImageStorage,
    diffusion: StableDiffusion,
    photo: Image.Image,
    inversion: Inversion,
    submission: Callable[..., Submission],
) -> None:
    size = len(inversion.to_bytes())
    cache = InversionCache(files, diffusion, max_bytes=2 * size)
    other = changed(submission(), caller="another")
    cache.save(other, inversion)
    for number in range(4):
        cache.save(changed(submission(), prompt=f"a dog {number}"), inversion)
    assert cache.find(other, photo, OPTIONS) is not None
    assert sum(stored.size for stored in files.list("_inversions")) <= 3 * size


def test_nothing_is_kept_where_nothing_may_be(
    files: ImageStorage,
    diffusion: StableDiffusion,
    photo: Image.Image,
    inversion: Inversion,
    submission: Callable[..., Submission],
) -> None:
    cache = InversionCache(files, diffusion, max_bytes=0)
    cache.save(submission(), inversion)
    assert files.list("_inversions") == []
    assert cache.find(submission(), photo, OPTIONS) is None


def test_what_cannot_be_read_or_written_is_as_if_it_were_not_there(
    cache: InversionCache,
    files: ImageStorage,
    tmp_path: Path,
    photo: Image.Image,
    inversion: Inversion,
    submission: Callable[..., Submission],
) -> None:
    cache.save(submission(), inversion)
    (stored,) = files.list("_inversions")
    (tmp_path / "pictures" / "_inversions" / stored.name).write_bytes(b"torn")
    assert cache.find(submission(), photo, OPTIONS) is None

    class Full(ImageStorage):
        def put(
            self, edit_id: str, name: str, data: bytes, content_type: str | None = None
        ) -> None:
            raise StoreUnavailable("full")

    full = InversionCache(Full((tmp_path / "b").as_uri()), cache._model, max_bytes=MAX_BYTES)
    full.save(submission(), inversion)


def test_an_edit_of_the_same_picture_uses_the_inversion_again(
    submit: Callable[..., str], ended: Callable[[str], Record], editor: WatchedEditor
) -> None:
    first = ended(submit(inner_steps=1))
    assert set(editor.steps) == {"inverting", "tuning", "editing", "decoding"}
    editor.steps.clear()
    again = ended(submit(inner_steps=1, strength=0.3))
    assert set(editor.steps) == {"editing", "decoding"}
    assert first.result is not None and again.result is not None
    assert again.result.metrics.inversion_reused and not first.result.metrics.inversion_reused
    assert again.result.metrics.inner_steps == 0
