"""Stable Diffusion XL edits: what reaches its UNet, the method on it, and calls that are shared."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diffusers import StableDiffusionXLPipeline

from baret import EditOptions, Editor, InversionOptions
from baret.method.denoising import DenoisingOptions, Texts, denoise
from baret.model.stable_diffusion import StableDiffusion
from baret.options import PAPER, ModelOptions
from baret.unet.attention import Injection, attention_layers, balanced_attention
from baret.unet.cuda_graphs import WARMUP_CALLS
from baret.unet.predictor import Predictor
from baret.unet.requests import (
    Conditioning,
    NoiseTarget,
    Request,
    StageProgress,
    merge,
    split,
    stack_added,
    stack_embeddings,
)
from tests.support.explicit_maps import explicit_maps
from tests.support.tiny_models import small_photo, tiny_xl_pipeline

PROGRESS = StageProgress("editing", 0, 0.0)
OPTIONS = EditOptions(inversion=InversionOptions(num_inference_steps=2, inner_steps=1))
LONG = "a photo of " + "a very big dog and " * 30


@pytest.fixture(scope="module")
def pipeline() -> StableDiffusionXLPipeline:
    return tiny_xl_pipeline(sample_size=8)


@pytest.fixture(scope="module")
def folder(pipeline: StableDiffusionXLPipeline, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("xl")
    pipeline.save_pretrained(folder)
    return Path(folder)


@pytest.fixture(scope="module")
def editor(folder: Path) -> Editor:
    return Editor.from_pretrained(str(folder), device="cpu", dtype="float32")


def randn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def texts_of(model: StableDiffusion, *prompts: str) -> list[Conditioning]:
    return [model.embed(prompt) for prompt in prompts]


@torch.no_grad()
def test_texts_are_those_of_diffusers_own_pipeline(
    editor: Editor, pipeline: StableDiffusionXLPipeline
) -> None:
    prompt = "a photo of a dog on a beach"
    embeds, empty, pooled, empty_pooled = pipeline.encode_prompt(prompt, device="cpu")
    ours, nothing = editor.model.embed_with_empty(prompt, (64, 96))
    assert ours.added is not None and nothing.added is not None
    torch.testing.assert_close(ours.embedding, embeds[0])
    torch.testing.assert_close(ours.added.pooled, pooled[0])
    assert torch.equal(nothing.embedding, empty[0]) and not empty.any()
    assert torch.equal(nothing.added.pooled, empty_pooled[0])
    assert ours.added.sizes.tolist() == [64, 96, 0, 0, 64, 96]


@torch.no_grad()
def test_the_noise_is_that_of_diffusers_own_pipeline(
    editor: Editor, pipeline: StableDiffusionXLPipeline
) -> None:
    """One step of the pipeline, from given noise, shows what its UNet has answered."""
    prompt, latents = "a photo of a dog", randn(1, 4, 8, 12)
    scheduler, seen = pipeline.scheduler, {}
    step = type(scheduler).step

    def record(noise: torch.Tensor, t: torch.Tensor, *args: object, **named: object) -> object:
        seen.setdefault("noise", (noise, int(t)))
        return step(scheduler, noise, t, *args, **named)

    scheduler.step = record
    try:
        pipeline(
            prompt,
            latents=latents.clone(),
            height=64,
            width=96,
            num_inference_steps=1,
            guidance_scale=1.0,
            output_type="latent",
        )
    finally:
        del scheduler.step
    expected, t = seen["noise"]
    text = editor.model.embed(prompt, (64, 96))
    ours = editor.model.predict_noise(latents, [t], text.embedding[None], stack_added([text]))
    torch.testing.assert_close(ours, expected, atol=1e-5, rtol=1e-4)
    other = editor.model.embed(prompt, (64, 64))
    changed = editor.model.predict_noise(latents, [t], text.embedding[None], stack_added([other]))
    assert not torch.equal(changed, ours)  # sizes do count


def test_both_encoders_are_read_before_their_last_layer(
    folder: Path, pipeline: StableDiffusionXLPipeline
) -> None:
    changed = Editor.from_pretrained(str(folder), device="cpu").model
    before = changed.embed("a dog")
    with torch.no_grad():
        changed._texts.modules[0].encoder.layers[-1].mlp.fc1.weight.add_(1.0)
        changed._texts.modules[1].text_model.encoder.layers[-1].mlp.fc1.weight.add_(1.0)
    after = changed.embed("a dog")
    assert before.added is not None and after.added is not None
    assert torch.equal(after.embedding, before.embedding)
    assert not torch.equal(after.added.pooled, before.added.pooled)  # read after the last layer


def test_a_long_text_in_windows_is_pooled_from_the_first(folder: Path, editor: Editor) -> None:
    options = ModelOptions(long_prompts="windows")
    model = StableDiffusion.from_pretrained(str(folder), device="cpu", options=options)
    whole, cut = model.embed(LONG), editor.model.embed(LONG)
    assert len(whole.embedding) == 3 * 77 and len(cut.embedding) == 77
    assert whole.added is not None and cut.added is not None
    torch.testing.assert_close(whole.added.pooled, cut.added.pooled)


# The method


def test_an_edit_of_two_steps_reconstructs_the_photo_exactly(editor: Editor) -> None:
    result = editor.edit(small_photo(), "a dog", OPTIONS)
    assert result.image.size == (64, 64)
    inversion = result.inversion
    assert inversion.pivots.shape == (3, 4, 8, 8) and torch.isfinite(inversion.pivots).all()
    assert torch.equal(inversion.reconstruction, inversion.pivots[0])  # exact, as latents


def test_an_edit_held_everywhere_ends_at_the_photo_itself(editor: Editor) -> None:
    inversion = editor.invert(small_photo(), "a dog", OPTIONS.inversion)
    source, target = texts_of(editor.model, "a cat", "a dog")
    denoising = DenoisingOptions(1.0, 1.0, guidance_scale=4.0, guidance_end=1.0)
    routine = denoise(
        inversion.pivots,
        Texts(target, source, [source] * 2),
        editor.model.schedule(2),
        denoising,
        torch.zeros(8, 8),
    )
    held = editor.engine.run(routine, lambda progress: None)
    assert torch.equal(held.latents, inversion.pivots[0])


def test_the_papers_form_runs_too(editor: Editor) -> None:
    paper = PAPER.inversion.paper
    assert paper is not None
    inversion = replace(PAPER.inversion, num_inference_steps=2, paper=replace(paper, inner_steps=1))
    result = editor.edit(small_photo(), "a dog", replace(PAPER, inversion=inversion))
    assert result.inversion.tuned.shape == (2, 77, 96)


def test_a_large_photo_is_drawn_again_in_tiles_of_the_models_size(editor: Editor) -> None:
    large = small_photo().resize((160, 160))
    options = replace(OPTIONS, detail="auto", change_thresholds=None)
    calls = []

    def record(_module, inputs, named):  # type: ignore[no-untyped-def]
        calls.append((tuple(inputs[0].shape[2:]), named["added_cond_kwargs"]["time_ids"].tolist()))

    handle = editor.model.unet.register_forward_pre_hook(record, with_kwargs=True)
    try:
        result = editor.edit(large, "a dog", options)
    finally:
        handle.remove()
    assert result.image.size == (160, 160) and "detailing" in result.seconds
    shape, sizes = calls[-1]
    assert shape == (8, 8) and len(sizes) == 4  # tiles
    assert sizes == [[64, 64, 0, 0, 64, 64]] * 4


@torch.no_grad()
def test_reindexed_rows_equal_explicit_maps_on_every_layer(editor: Editor) -> None:
    model, injection = editor.model, Injection((2, 2, 2), (1, 1, 2))
    layers = attention_layers(model.unet)
    # [1, 2, 10] blocks a layer: two levels down, two up, and the middle; two attentions a block.
    assert len(layers) == 2 * (2 * 2 + 2 * 10 + 3 * 10 + 3 * 2 + 10)
    texts = texts_of(model, "a dog", "a cat jumping", "")
    call = (randn(3, 4, 8, 8), [501] * 3, stack_embeddings(texts), stack_added(texts))
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


# Shared calls


def request(model: StableDiffusion, rows: int, *, seed: int, target: bool = False) -> Request:
    prompts = ("a dog", "a cat that sits", "a red house")
    texts = [
        model.embed(prompts[(seed + row) % 3], (64 + 8 * seed, 64 + 8 * row)) for row in range(rows)
    ]
    latents = randn(rows, 4, 8, 8, seed=seed)
    goal = NoiseTarget(randn(rows, 4, 8, 8, seed=seed + 9), torch.ones(rows)) if target else None
    return Request.of(PROGRESS, latents, (501,) * rows, texts, target=goal)


@pytest.mark.parametrize("target", [False, True])
def test_merged_requests_answer_as_lone_ones(target: bool, editor: Editor) -> None:
    predictor = Predictor(editor.model)
    requests = [request(editor.model, 2, seed=seed, target=target) for seed in (0, 1)]
    assert requests[0].kind == requests[1].kind
    merged = split(predictor.answer(merge(requests)), requests)
    for one, together in zip(requests, merged, strict=True):
        alone = predictor.answer(one)
        torch.testing.assert_close(together.noise, alone.noise, atol=1e-5, rtol=1e-4)
        if target:
            assert together.gradient is not None and alone.gradient is not None
            torch.testing.assert_close(together.gradient, alone.gradient, atol=1e-6, rtol=1e-3)


def test_cut_requests_keep_each_rows_conditions(editor: Editor) -> None:
    whole = request(editor.model, 3, seed=1)
    part = whole.rows(1, 3)
    assert whole.added is not None and part.added is not None
    assert torch.equal(part.added.pooled, whole.added.pooled[1:])
    assert torch.equal(part.added.sizes, whole.added.sizes[1:])


def test_requests_with_and_without_added_conditions_never_share_a_call(editor: Editor) -> None:
    one = request(editor.model, 1, seed=0)
    assert one.kind != replace(one, added=None).kind


class _Recorder:
    """Runs a recorded call again, into its outputs, as a CUDA graph would."""

    def __call__(self, call):  # type: ignore[no-untyped-def]
        outputs = call()

        def replay() -> None:
            for output, fresh in zip(outputs, call(), strict=True):
                if output is not None:
                    output.copy_(fresh)

        return outputs, replay


def test_a_replayed_call_takes_each_calls_own_conditions(editor: Editor) -> None:
    plain, recorded = Predictor(editor.model), Predictor(editor.model, _Recorder())
    for seed in range(WARMUP_CALLS + 2):
        one = request(editor.model, 7, seed=seed)  # padded to 8 rows
        expected, answer = plain.answer(one), recorded.answer(one)
        torch.testing.assert_close(answer.noise, expected.noise, atol=1e-5, rtol=1e-4)


def test_two_callers_at_once_get_what_they_get_alone(editor: Editor) -> None:
    prompts = ("a dog", "a red house")
    alone = [editor.edit(small_photo(), prompt, OPTIONS).inversion for prompt in prompts]
    with ThreadPoolExecutor(2) as threads:
        together = list(
            threads.map(lambda prompt: editor.edit(small_photo(), prompt, OPTIONS), prompts)
        )
    for one, result in zip(alone, together, strict=True):
        torch.testing.assert_close(result.inversion.pivots, one.pivots, atol=1e-3, rtol=1e-3)
