"""The properties of each peer, at five steps."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from baret.method.composition import compose
from baret.model.stable_diffusion import StableDiffusion
from bench.edits.batch import Batch
from bench.edits.methods import METHODS, methods_with_steps, with_steps
from bench.edits.model import BatchModel
from bench.edits.peers.ddim import DdimOptions, ddim
from bench.edits.peers.ddim_kept import ddim_kept
from bench.edits.peers.direct_inversion import direct_inversion
from bench.edits.peers.leditspp import LeditsOptions, leditspp
from bench.edits.peers.masactrl import MasaCtrlOptions, masactrl
from bench.edits.peers.null_text import NullTextOptions, null_text
from bench.edits.peers.plug_and_play import PlugAndPlayOptions, plug_and_play, residual_blocks
from bench.edits.peers.prompt_to_prompt import Captions, PromptToPromptOptions, denoise_both
from bench.edits.peers.prompt_tuning import PromptTuningOptions, prompt_tuning
from bench.edits.peers.sdedit import SDEditOptions, sdedit
from bench.edits.sampling import TuningOptions, pivots_of
from tests.support.tiny_models import tiny_xl_pipeline

STEPS = 5
EDIT = PromptToPromptOptions(steps=STEPS)
FEW = TuningOptions(inner_steps=2)


def _quick(options):
    options = with_steps(options, STEPS)
    return replace(options, tuning=FEW) if hasattr(options, "tuning") else options


PEERS = {
    name: (method.run, _quick(method.tries[0]))
    for name, method in METHODS.items()
    if ".peers." in method.run.__module__
}


@pytest.fixture
def same(batch):
    """Return the batch with its source captions as target texts."""
    return replace(batch, prompts=batch.source_captions)


def _difference(a, b):
    return np.abs(a.astype(int) - b).mean()


@pytest.mark.parametrize("name", PEERS)
def test_a_peer_edits_and_leaves_the_model_as_it_was(model, batch, name):
    method, options = PEERS[name]
    unet = model.model.unet
    processors = dict(unet.attn_processors)
    edited = method(model, batch, options)
    assert edited.images.shape == batch.sources.shape and edited.images.dtype == np.uint8
    assert _difference(edited.images, batch.sources) > 0.3
    assert dict(unet.attn_processors) == processors
    assert not any(module._forward_hooks for module in unet.modules())


@pytest.fixture(scope="module")
def xl() -> BatchModel:
    """Return a tiny Stable Diffusion XL, whose UNet takes pooled texts and sizes too."""
    pipeline = tiny_xl_pipeline(sample_size=8)
    device = torch.device("cpu")
    model = StableDiffusion(pipeline, device=device, dtype=torch.float32, licence="unknown")
    return BatchModel(model, pipeline)


@pytest.mark.parametrize("name", ["baret", "baret-paper", *PEERS])
def test_a_method_edits_with_stable_diffusion_xl(xl, batch, name):
    method, options = METHODS[name].run, with_steps(_quick(METHODS[name].tries[0]), 2)
    seen = []

    def record(_module, _inputs, named):
        seen.append(named["added_cond_kwargs"]["time_ids"])

    handle = xl.model.unet.register_forward_pre_hook(record, with_kwargs=True)
    try:
        edited = method(xl, batch, options)
    finally:
        handle.remove()
    assert edited.images.shape == batch.sources.shape
    if name != "leditspp":  # whose pipeline sends its own
        sizes = torch.tensor([64, 64, 0, 0, 64, 64])
        assert all((ids == sizes).all() for ids in seen)


def test_the_pooled_text_counts_in_a_gradient_too(xl, batch):
    latents = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    texts = xl.embed(batch.prompts)
    added = texts[0].added
    other = [replace(text, added=added._replace(pooled=added.pooled + 1)) for text in texts]

    def loss(noise):
        return noise.square().mean((1, 2, 3))

    (losses, gradient), (changed, _) = (xl.gradient(latents, 501, t, loss) for t in (texts, other))
    assert gradient.shape == (2, *texts[0].embedding.shape) and gradient.abs().sum() > 0
    assert not torch.equal(losses, changed)


@pytest.mark.parametrize("name", ["direct-inversion", "h-edit", "masactrl", "plug-and-play"])
def test_a_source_that_is_held_to_the_pivots_comes_back_as_the_vae_gives_it(model, batch, name):
    method, options = PEERS[name]
    through_vae = model.decode(model.encode(batch.sources))
    assert _difference(method(model, batch, options).reconstruct(), through_vae) < 0.05


def test_direct_inversion_lands_on_the_pivots(model, batch):
    schedule, captions = model.schedule(STEPS), Captions.of(model, batch, EDIT)
    pivots = pivots_of(model, model.encode(batch.sources), captions.source, schedule)
    uncond = [model.embed(["", ""])] * STEPS
    source, _ = denoise_both(model, pivots, captions, uncond, EDIT, hold_source=True)
    torch.testing.assert_close(source, pivots[0], rtol=0, atol=1e-5)


def test_prompt_to_prompt_with_the_same_caption_is_the_source_branch(model, same):
    schedule, captions = model.schedule(STEPS), Captions.of(model, same, EDIT)
    pivots = pivots_of(model, model.encode(same.sources), captions.source, schedule)
    uncond = [model.embed(["", ""])] * STEPS
    source, target = denoise_both(model, pivots, captions, uncond, EDIT, hold_source=False)
    torch.testing.assert_close(target, source, rtol=0, atol=1e-4)


def test_all_maps_of_the_source_keep_more_of_it(bundled, batch):
    every = replace(EDIT, cross_until=1.0, self_until=1.0)
    none = replace(EDIT, cross_until=0.0, self_until=0.0)
    injected, free = (direct_inversion(bundled, batch, options) for options in (every, none))
    source = injected.reconstruct()
    assert _difference(injected.images, source) < _difference(free.images, source)


def test_local_editing_without_a_changed_word_leaves_the_source(model, same):
    edited = direct_inversion(model, same, replace(EDIT, blend=0.3))
    assert _difference(edited.images, edited.reconstruct()) < 0.05


def test_null_text_tuning_brings_the_reconstruction_nearer(model, batch):
    through_vae = model.decode(model.encode(batch.sources))
    tuned, untuned = (
        null_text(model, batch, NullTextOptions(EDIT, TuningOptions(inner_steps=steps)))
        for steps in (10, 0)
    )
    assert _difference(tuned.reconstruct(), through_vae) < 0.8 * _difference(
        untuned.reconstruct(), through_vae
    )


def test_masactrl_that_never_starts_is_ddim(model, batch):
    never = masactrl(model, batch, MasaCtrlOptions(steps=STEPS, from_step=1.0))
    plain = ddim(model, batch, DdimOptions(steps=STEPS))
    assert _difference(never.images, plain.images) < 0.05


def test_plug_and_play_that_injects_nothing_is_ddim(model, batch):
    nothing = PlugAndPlayOptions(features_until=0.0, attention_until=0.0, steps=STEPS)
    plain = ddim(model, batch, DdimOptions(steps=STEPS))
    assert _difference(plug_and_play(model, batch, nothing).images, plain.images) < 0.05


def test_plug_and_play_without_a_text_gives_the_source_back(model, batch):
    without_text = replace(batch, prompts=("", ""))
    edited = plug_and_play(
        model, without_text, PlugAndPlayOptions(steps=STEPS, attention_until=1.0)
    )
    plain = ddim(model, without_text, DdimOptions(steps=STEPS, guidance_scale=1.0))
    assert _difference(edited.images, plain.images) < 1


def test_every_residual_block_of_the_decoder_is_known(model):
    blocks = residual_blocks(model.model.unet)
    modules = dict(model.model.unet.named_modules())
    assert len(blocks) >= 4 and all(modules[name] is block for name, block in blocks.items())


def test_prompt_tuning_without_interpolation_reconstructs(model, batch):
    options = PromptTuningOptions(steps=STEPS, interpolation=0.0, tuning=FEW)
    edited = prompt_tuning(model, batch, options)
    assert _difference(edited.images, edited.reconstruct()) < 0.1


def test_sdedit_draws_each_pictures_noise_from_its_own_seed(model, batch):
    options = SDEditOptions(steps=STEPS)
    both = sdedit(model, batch, options)
    second = Batch(batch.sources[1:], batch.prompts[1:], batch.source_captions[1:], batch.seeds[1:])
    assert _difference(both.images[1], sdedit(model, second, options).images[0]) < 0.05


def test_ledits_without_guidance_gives_the_source_back(model, batch):
    edited = leditspp(model, batch, LeditsOptions(steps=STEPS, guidance_scale=0.0))
    assert _difference(edited.images, edited.reconstruct()) < 0.05


def test_every_method_has_the_same_number_of_different_tries():
    for name, method in METHODS.items():
        assert len(set(method.tries)) == 6, name


def test_every_method_takes_as_many_steps_as_asked():
    for name, method in methods_with_steps(7).items():
        for options in method.tries:
            text = repr(options)
            assert "steps=7" in text, (name, text)
            assert "steps=50" not in text, (name, text)


def test_kept_as_baret_keeps_is_ddim_where_it_shows_and_the_photo_elsewhere(model, batch):
    options = DdimOptions(steps=STEPS, guidance_scale=2.5)
    plain, kept = ddim(model, batch, options).images, ddim_kept(model, batch, options).images
    through_vae = model.decode(model.encode(batch.sources))
    for image, photo, coded, shown in zip(plain, batch.sources, through_vae, kept, strict=True):
        found = compose(image, coded)
        is_photo, is_edit = found.alpha == 0, found.alpha == 1
        assert is_photo.any() and is_edit.any()
        assert (shown[is_photo] == photo[is_photo]).all()
        assert (shown[is_edit] == found.edited[is_edit]).all()


def test_the_model_is_the_shipped_one(bundled):
    assert type(bundled.model) is StableDiffusion
