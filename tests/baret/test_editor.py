import gc
import operator
import threading
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from baret import EditOptions, Inversion, InversionOptions
from baret.errors import ImageError, InversionMismatch, OutOfMemory

FAST = InversionOptions(num_inference_steps=5, inner_steps=2)
OPTIONS = EditOptions(inversion=FAST)


@pytest.fixture(scope="module")
def inversion(small_editor, sample):
    return small_editor.invert(sample.image, sample.prompt, FAST)


def test_an_edit_gives_all_that_it_promises(editor, sample):
    options = EditOptions(strength=(0.5, 1.0), artifacts=True, inversion=FAST)
    result = editor.edit(sample.image, sample.prompt, options)
    assert [output.strength for output in result.outputs] == [0.5, 1.0]
    for output in result.outputs:
        assert output.image.size == output.transition.size == sample.image.size
        words = " ".join(word.word for word in output.attention)
        assert words.replace(" ,", ",") == sample.prompt
        # Where the mask is black, the output is the photo, to the pixel.
        kept = np.array(output.mask) == 0
        assert 0 < kept.mean() < 1
        assert (np.array(output.image)[kept] == np.array(sample.image)[kept]).all()
    assert result.reconstruction.size == sample.image.size
    assert result.reconstruction_psnr > 20  # dB; what the VAE alone gives
    assert set(result.seconds) == {"inverting", "tuning", "editing", "decoding"}
    assert result.inner_steps == result.inversion.inner_steps == 2


def test_an_edit_says_which_words_the_model_does_not_know(editor, sample):
    options = EditOptions(inversion=InversionOptions(num_inference_steps=2, inner_steps=0))
    (hint,) = editor.edit(sample.image, "a photo of a zebra", options).hints
    assert (hint.code, hint.words) == ("unknown_words", ("zebra",))
    assert editor.edit(sample.image, sample.prompt, options).hints == ()


def test_the_same_edit_gives_the_same_bytes(small_editor, sample):
    first, second = (small_editor.edit(sample.image, sample.prompt, OPTIONS) for _ in range(2))
    assert first.image.tobytes() == second.image.tobytes()


def test_another_text_gives_another_picture(editor, sample):
    ours = editor.edit(sample.image, sample.prompt, OPTIONS).image
    other = editor.edit(sample.image, "a photo of a black horse at night", OPTIONS).image
    assert np.abs(np.asarray(ours, float) - np.asarray(other, float)).mean() > 10


def test_a_saved_inversion_edits_like_the_fresh_one(small_editor, inversion, tmp_path):
    inversion.save(tmp_path / "photo.safetensors")
    loaded = Inversion.load(tmp_path / "photo.safetensors")
    fresh = small_editor.edit(inversion, inversion.prompt, OPTIONS)
    again = small_editor.edit(loaded, inversion.prompt, OPTIONS)
    assert again.inversion_reused and again.inner_steps == 0
    assert again.image.tobytes() == fresh.image.tobytes()


def test_an_inversion_serves_its_own_text_and_saves_encoding_for_another(editor, sample):
    inversion = editor.invert(sample.image, sample.prompt, FAST)
    assert editor.invert(inversion, inversion.prompt, FAST) is inversion
    prompt = "a photo of a black dog at night"
    again = editor.edit(inversion, prompt, OPTIONS)
    fresh = editor.edit(sample.image, prompt, OPTIONS)
    assert again.image.tobytes() == fresh.image.tobytes()
    assert not again.inversion_reused and again.inner_steps == fresh.inner_steps > 0


def test_another_seed_is_another_inversion(small_editor, inversion):
    options = replace(FAST, seed=1)
    other = small_editor.invert(inversion, inversion.prompt, options)
    assert not torch.equal(other.tuned, inversion.tuned)


def test_a_large_photo_keeps_its_fine_detail_where_nothing_was_to_change(editor, sample):
    noise = Image.effect_noise((250, 190), 80).convert("RGB")
    large = Image.blend(sample.image.convert("RGB").resize((250, 190)), noise, 0.05)
    edit = editor.edit(large, sample.prompt, OPTIONS)
    free = EditOptions(change_thresholds=None, inversion=FAST)
    blurred = editor.edit(edit.inversion, sample.prompt, free)
    exact = [
        (np.asarray(image) == np.asarray(large)).all(-1).mean()
        for image in (edit.image, blurred.image)
    ]
    assert exact[0] > 0.2 and exact[1] < 0.01


def test_an_inversion_of_another_model_or_of_other_steps_is_refused(small_editor, inversion):
    with pytest.raises(InversionMismatch, match="5 steps and the edit is to have 6"):
        small_editor.edit(inversion, inversion.prompt, EditOptions(inversion=InversionOptions(6)))
    with pytest.raises(InversionMismatch, match="Another model"):
        small_editor.edit(replace(inversion, model="other"), inversion.prompt, OPTIONS)
    with pytest.raises(InversionMismatch, match="Another model"):
        small_editor.invert(replace(inversion, dtype="float16"), inversion.prompt, FAST)


@pytest.mark.parametrize("size", [(32, 32), (50, 32), (32, 128), (200, 90), (61, 67)])
def test_any_size_comes_back_as_it_was(small_editor, sample, size):
    options = EditOptions(inversion=InversionOptions(num_inference_steps=2, inner_steps=1))
    result = small_editor.edit(sample.image.resize(size), sample.prompt, options)
    assert result.image.size == result.reconstruction.size == size


def test_a_picture_that_cannot_be_worked_on_is_refused(small_editor):
    with pytest.raises(ImageError, match="32 pixels"):
        small_editor.edit(Image.new("RGB", (16, 16)), "a dog")


@pytest.mark.parametrize("stage", ["inverting", "tuning", "editing", "decoding"])
def test_raising_from_progress_cancels_and_leaves_the_model_as_it_was(small_editor, sample, stage):
    class Cancelled(Exception):
        pass

    calls = []

    def stop(progress):
        calls.append(progress.stage)
        if progress.stage == stage:
            raise Cancelled

    before = dict(small_editor.model.unet.attn_processors)
    options = EditOptions(self_attention_until=1.0, artifacts=True, inversion=FAST)
    with pytest.raises(Cancelled):
        small_editor.edit(sample.image, sample.prompt, options, on_progress=stop)
    assert calls.count(stage) == 1  # nothing was called after it
    assert small_editor.model.unet.attn_processors == before
    assert all(parameter.grad is None for parameter in small_editor.model.unet.parameters())


@pytest.mark.parametrize("part", ["unet", "_vae.encoder", "_vae.decoder"])
def test_a_device_without_room_is_our_own_error_and_the_next_edit_works(small_editor, sample, part):
    def run_out_of_memory(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    module = operator.attrgetter(part)(small_editor.model)
    handle = module.register_forward_pre_hook(run_out_of_memory)
    options = EditOptions(inversion=InversionOptions(num_inference_steps=2, inner_steps=1))
    try:
        with pytest.raises(OutOfMemory):
            small_editor.edit(sample.image, sample.prompt, options)
    finally:
        handle.remove()
    small_editor.edit(sample.image, sample.prompt, options)


def test_edits_of_two_threads_do_not_touch_each_other(small_editor, sample):
    prompts = [sample.prompt, "a photo of a black dog at night"]
    alone = [small_editor.edit(sample.image, prompt, OPTIONS).image for prompt in prompts]
    together: dict[str, Image.Image] = {}

    def work(prompt: str) -> None:
        together[prompt] = small_editor.edit(sample.image, prompt, OPTIONS).image

    threads = [threading.Thread(target=work, args=(prompt,)) for prompt in prompts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for prompt, image in zip(prompts, alone, strict=True):
        # They share calls, and another batch size sums in another order.
        assert np.abs(np.asarray(together[prompt], int) - np.asarray(image, int)).max() <= 2


def test_an_edit_keeps_no_tensors_behind(small_editor, sample):
    def count() -> int:
        gc.collect()
        return sum(isinstance(found, torch.Tensor) for found in gc.get_objects())

    small_editor.edit(sample.image, sample.prompt, OPTIONS)
    before = count()
    small_editor.edit(sample.image, sample.prompt, OPTIONS)
    assert count() <= before
