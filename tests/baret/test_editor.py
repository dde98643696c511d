import gc
import operator
import threading
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from baret import BaretError, EditOptions, Inversion, InversionOptions
from baret.errors import ImageError, InversionMismatch, OutOfMemory

FAST = InversionOptions(num_inference_steps=10, inner_steps=2)
OPTIONS = EditOptions(inversion=FAST)


@pytest.fixture(scope="module")
def inversion(editor, sample):
    return editor.invert(sample.image, sample.prompt, FAST)


def test_an_edit_gives_all_that_it_promises(editor, sample):
    options = EditOptions(interpolation=(0.5, 1.0), artifacts=True, inversion=FAST)
    result = editor.edit(sample.image, sample.prompt, options)
    assert [output.interpolation for output in result.outputs] == [0.5, 1.0]
    for output in result.outputs:
        assert output.image.size == output.transition.size == sample.image.size
        words = " ".join(word.word for word in output.attention)
        assert words.replace(" ,", ",") == sample.prompt
    assert result.reconstruction.size == sample.image.size
    assert result.reconstruction_psnr > 15  # dB; ten steps with two inner ones give 17.0
    assert set(result.seconds) == {"inverting", "tuning", "editing", "decoding"}
    assert len(result.losses) == 10
    assert result.inner_steps == int(result.inversion.inner_steps.sum()) > 0


def test_an_edit_says_which_words_the_model_does_not_know(editor, sample):
    options = EditOptions(inversion=InversionOptions(num_inference_steps=2, inner_steps=0))
    (hint,) = editor.edit(sample.image, "a photo of a zebra", options).hints
    assert (hint.code, hint.words) == ("unknown_words", ("zebra",))
    assert editor.edit(sample.image, sample.prompt, options).hints == ()


def test_the_same_edit_gives_the_same_bytes(editor, sample):
    first, second = (editor.edit(sample.image, sample.prompt, OPTIONS) for _ in range(2))
    assert first.image.tobytes() == second.image.tobytes()


def test_another_text_gives_another_picture(editor, sample):
    ours = editor.edit(sample.image, sample.prompt, OPTIONS).image
    other = editor.edit(sample.image, "a photo of a black horse at night", OPTIONS).image
    assert np.abs(np.asarray(ours, float) - np.asarray(other, float)).mean() > 10


def test_a_saved_inversion_edits_like_the_fresh_one(editor, inversion, tmp_path):
    inversion.save(tmp_path / "photo.safetensors")
    loaded = Inversion.load(tmp_path / "photo.safetensors")
    assert (loaded.prompt, loaded.options, loaded.model, loaded.dtype, loaded.size) == (
        inversion.prompt,
        FAST,
        editor.model.identity,
        "float32",
        inversion.size,
    )
    fresh = editor.edit(inversion, inversion.prompt, OPTIONS)
    again = editor.edit(loaded, inversion.prompt, OPTIONS)
    assert again.inversion_reused and again.inner_steps == 0
    assert again.image.tobytes() == fresh.image.tobytes()


@pytest.mark.parametrize("data", [b"", b"\0" * 64, b"not a tensor file at all"])
def test_a_file_that_is_no_inversion_is_refused(data):
    with pytest.raises(BaretError, match="invert the photo again"):
        Inversion.from_bytes(data)


def test_the_pivots_of_an_inversion_serve_another_text(editor, inversion, sample):
    prompt, stages = "a photo of a black dog at night", []
    again = editor.edit(
        inversion, prompt, OPTIONS, on_progress=lambda progress: stages.append(progress.stage)
    )
    fresh = editor.edit(sample.image, prompt, OPTIONS)
    assert again.image.tobytes() == fresh.image.tobytes()
    assert "inverting" not in stages and not again.inversion_reused
    assert again.inner_steps == fresh.inner_steps > 0
    assert editor.invert(inversion, inversion.prompt, FAST) is inversion


def test_an_inversion_of_another_model_or_of_other_steps_is_refused(editor, inversion):
    with pytest.raises(InversionMismatch, match="10 steps and the edit is to have 50"):
        editor.edit(inversion, inversion.prompt, EditOptions())
    with pytest.raises(InversionMismatch, match="Another model"):
        editor.edit(replace(inversion, model="other"), inversion.prompt, OPTIONS)
    with pytest.raises(InversionMismatch, match="Another model"):
        editor.invert(replace(inversion, dtype="float16"), inversion.prompt, FAST)


@pytest.mark.parametrize("size", [(32, 32), (50, 32), (32, 128), (200, 90), (61, 67)])
def test_any_size_comes_back_as_it_was(editor, sample, size):
    options = EditOptions(inversion=InversionOptions(num_inference_steps=2, inner_steps=1))
    result = editor.edit(sample.image.resize(size), sample.prompt, options)
    assert result.image.size == result.reconstruction.size == size


def test_a_picture_that_cannot_be_worked_on_is_refused(editor):
    with pytest.raises(ImageError, match="32 pixels"):
        editor.edit(Image.new("RGB", (16, 16)), "a dog")


def test_progress_is_told_before_every_call_and_never_falls(editor, sample):
    reports = []
    editor.edit(sample.image, sample.prompt, OPTIONS, on_progress=reports.append)
    fractions = [progress.fraction for progress in reports]
    assert fractions == sorted(fractions) and fractions[0] == 0 and fractions[-1] > 0.9
    stages = list(dict.fromkeys(progress.stage for progress in reports))
    assert stages == ["inverting", "tuning", "editing", "decoding"]
    # Photo, ∅ and 10 steps; texts, ε(∅) and up to 2 inner steps of all 10 together; texts and 10
    # steps; photo and edit.
    assert 12 + 2 + 11 + 2 <= len(reports) <= 12 + 3 + 11 + 2


def test_previews_are_told_every_five_steps_and_change_nothing_else(editor, sample):
    reports = []
    options = EditOptions(
        interpolation=(0.5, 1.0), previews=True, inversion=InversionOptions(12, inner_steps=0)
    )
    result = editor.edit(sample.image, sample.prompt, options, on_progress=reports.append)
    previews = [progress.preview for progress in reports if progress.preview]
    assert [preview.interpolation for preview in previews] == [0.5, 0.5, 1.0, 1.0]
    assert {preview.image.size for preview in previews} == {(64, 64)}
    fractions = [progress.fraction for progress in reports]
    assert fractions == sorted(fractions)

    def difference(preview, output):
        return np.abs(np.asarray(preview.image, float) - np.asarray(output.image)).mean()

    # After 10 of 12 steps a preview is already close to the output.
    first, second = result.outputs
    assert difference(previews[1], first) < 20 and difference(previews[3], second) < 20

    without_previews = []
    quiet = EditOptions(interpolation=(0.5, 1.0), inversion=options.inversion)
    plain = editor.edit(sample.image, sample.prompt, quiet, on_progress=without_previews.append)
    assert len(without_previews) == len(reports) - 4
    assert not any(progress.preview for progress in without_previews)
    assert plain.image.tobytes() == result.image.tobytes()


@pytest.mark.parametrize("stage", ["inverting", "tuning", "editing", "decoding"])
def test_raising_from_progress_cancels_and_leaves_the_model_as_it_was(editor, sample, stage):
    class Cancelled(Exception):
        pass

    calls = []

    def stop(progress):
        calls.append(progress.stage)
        if progress.stage == stage:
            raise Cancelled

    before = dict(editor.model.unet.attn_processors)
    options = EditOptions(self_attention_until=1.0, artifacts=True, inversion=FAST)
    with pytest.raises(Cancelled):
        editor.edit(sample.image, sample.prompt, options, on_progress=stop)
    assert calls.count(stage) == 1  # nothing was called after it
    assert editor.model.unet.attn_processors == before
    assert all(parameter.grad is None for parameter in editor.model.unet.parameters())


@pytest.mark.parametrize("part", ["unet", "_vae.encoder", "_vae.decoder"])
def test_a_device_without_room_is_our_own_error_and_the_next_edit_works(editor, sample, part):
    def run_out_of_memory(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    module = operator.attrgetter(part)(editor.model)
    handle = module.register_forward_pre_hook(run_out_of_memory)
    options = EditOptions(inversion=InversionOptions(num_inference_steps=2, inner_steps=1))
    try:
        with pytest.raises(OutOfMemory):
            editor.edit(sample.image, sample.prompt, options)
    finally:
        handle.remove()
    editor.edit(sample.image, sample.prompt, options)


def test_edits_of_two_threads_do_not_touch_each_other(editor, sample):
    prompts = [sample.prompt, "a photo of a black dog at night"]
    alone = [editor.edit(sample.image, prompt, OPTIONS).image for prompt in prompts]
    together: dict[str, Image.Image] = {}

    def work(prompt: str) -> None:
        together[prompt] = editor.edit(sample.image, prompt, OPTIONS).image

    threads = [threading.Thread(target=work, args=(prompt,)) for prompt in prompts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for prompt, image in zip(prompts, alone, strict=True):
        # They share calls, and another batch size sums in another order.
        assert np.abs(np.asarray(together[prompt], int) - np.asarray(image, int)).max() <= 2


def test_an_edit_keeps_no_tensors_behind(editor, sample):
    def count() -> int:
        gc.collect()
        return sum(isinstance(found, torch.Tensor) for found in gc.get_objects())

    editor.edit(sample.image, sample.prompt, OPTIONS)
    before = count()
    editor.edit(sample.image, sample.prompt, OPTIONS)
    assert count() <= before
