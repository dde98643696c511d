"""Stable Diffusion 1.x and 2.x in their real layouts, tiny: an edit from loading to the picture."""

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from baret import EditOptions, Editor, InversionOptions
from baret.method.denoising import DenoisingOptions, Texts, denoise
from baret.model.layout import Family
from baret.options import ModelOptions, PredictionSetting
from baret.unet.attention import Injection, attention_layers, balanced_attention
from baret.unet.requests import stack_embeddings
from tests.support.explicit_maps import explicit_maps
from tests.support.tiny_models import small_photo, tiny_pipeline

OPTIONS = EditOptions(inversion=InversionOptions(num_inference_steps=2, inner_steps=1))


@dataclass(frozen=True)
class Kind:
    family: Family
    prediction: PredictionSetting


KINDS = {
    "1.5": Kind("sd1", "epsilon"),
    "1.x with v": Kind("sd1", "v_prediction"),
    "1.x with zero terminal SNR": Kind("sd1", "v_prediction_zero_snr"),
    "2 base": Kind("sd2", "epsilon"),
    "2.1": Kind("sd2", "v_prediction"),
}


@pytest.fixture(scope="module", params=KINDS.values(), ids=KINDS)
def editor(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Editor:
    folder: Path = tmp_path_factory.mktemp("model")
    tiny_pipeline(request.param.family, sample_size=8).save_pretrained(folder)
    options = ModelOptions(prediction=request.param.prediction)
    return Editor.from_pretrained(str(folder), device="cpu", dtype="float32", options=options)


def test_an_edit_of_two_steps_reconstructs_the_photo_exactly(editor: Editor) -> None:
    result = editor.edit(small_photo(), "a dog", OPTIONS)
    assert result.image.size == (64, 64)
    inversion = result.inversion
    assert inversion.pivots.shape == (3, 4, 8, 8) and torch.isfinite(inversion.pivots).all()
    assert torch.equal(inversion.reconstruction, inversion.pivots[0])  # exact, as latents


def test_an_edit_held_everywhere_ends_at_the_photo_itself(editor: Editor) -> None:
    inversion = editor.invert(small_photo(), "a dog", OPTIONS.inversion)
    source, target = (editor.model.embed(prompt) for prompt in ("a cat", "a dog"))
    routine = denoise(
        inversion.pivots,
        Texts(target, source, [source] * 2),
        editor.model.schedule(2),
        DenoisingOptions(1.0, 1.0, guidance_scale=4.0, guidance_end=1.0),
        torch.zeros(8, 8),
    )
    held = editor.engine.run(routine, lambda progress: None)
    assert torch.equal(held.latents, inversion.pivots[0])


@torch.no_grad()
def test_reindexed_rows_equal_explicit_maps_on_every_layer(editor: Editor) -> None:
    model, injection = editor.model, Injection((2, 2, 2), (1, 1, 2))
    layers = attention_layers(model.unet)
    # Two blocks a level down, three up, on three levels, and the middle; two attentions a block.
    assert len(layers) == 2 * (3 * 2 + 3 * 3 + 1)
    latents = torch.randn(3, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    texts = [model.embed(prompt) for prompt in ("a dog", "a cat jumping", "")]
    call = (latents, [501] * 3, stack_embeddings(texts))
    with balanced_attention(model.unet, layers, injection.to_tensor(torch.device("cpu"))):
        ours = model.predict_noise(*call)
    saved = dict(model.unet.attn_processors)
    model.unet.set_attn_processor(explicit_maps(model.unet, injection))
    try:
        expected = model.predict_noise(*call)
    finally:
        model.unet.set_attn_processor(saved)
    torch.testing.assert_close(ours, expected, atol=1e-5, rtol=1e-4)
    assert (ours - model.predict_noise(*call)).abs().max() > 1e-3  # the maps do matter
