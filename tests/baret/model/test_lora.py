"""LoRA files: fused in every layout to W + s·α/r·up·down, or refused by what they are."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from diffusers import StableDiffusionPipeline
from safetensors.torch import save_file

from baret import EditOptions, Editor, InversionOptions
from baret.errors import UnsupportedModel
from baret.model.__main__ import main
from baret.model.description import LoadOptions
from baret.model.loading import inspect_model, load_pipeline
from baret.model.lora import LoraFile, parse_loras
from baret.model.stable_diffusion import StableDiffusion
from baret.options import ModelOptions
from tests.support.loras import (
    ATTENTION,
    LAYERS,
    RANK,
    Weights,
    diffusers,
    earlier_diffusers,
    kohya,
    layer_of,
    products,
    save_lora,
)
from tests.support.original_layout import save_original
from tests.support.tiny_models import small_photo, tiny_pipeline


@pytest.fixture(scope="module")
def pipeline() -> StableDiffusionPipeline:
    return tiny_pipeline()


@pytest.fixture(scope="module")
def model(pipeline: StableDiffusionPipeline, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    save_original(pipeline, path)
    return str(path)


def assert_fused(
    fused: StableDiffusionPipeline,
    plain: StableDiffusionPipeline,
    pairs: dict[str, tuple[torch.Tensor, torch.Tensor]],
    factor: float,
) -> None:
    """The named layers have changed by factor · up · down, and nothing else has."""
    for part in ("unet", "text_encoder"):
        theirs = getattr(plain, part).state_dict()
        for name, weight in getattr(fused, part).state_dict().items():
            expected = theirs[name]
            pair = pairs.get(f"{part}.{name.removesuffix('.weight')}")
            if pair is not None:
                product = pair[1].flatten(1) @ pair[0].flatten(1)
                expected = expected + factor * product.view(expected.shape)
            torch.testing.assert_close(weight, expected, rtol=1e-5, atol=1e-6, msg=name)


def refusal(model: str, lora: str) -> str:
    with pytest.raises(UnsupportedModel) as refused:
        load_pipeline(model, LoadOptions(lora=lora))
    return str(refused.value)


@torch.no_grad()
@pytest.mark.parametrize(
    ("layout", "layers", "factor"),
    [
        (lambda pairs: kohya(pairs, alpha=6.0), LAYERS, 6.0 / RANK),
        (lambda pairs: kohya(pairs, alpha=None), LAYERS, 1.0),
        (diffusers, LAYERS, 1.0),
        (earlier_diffusers, ATTENTION, 1.0),
    ],
    ids=["kohya", "kohya without alpha", "diffusers", "earlier diffusers"],
)
def test_a_lora_of_each_layout_is_fused_into_the_layers_that_it_names(
    layout: Callable[[dict[str, tuple[torch.Tensor, torch.Tensor]]], Weights],
    layers: tuple[str, ...],
    factor: float,
    pipeline: StableDiffusionPipeline,
    model: str,
    tmp_path: Path,
) -> None:
    pairs = products(pipeline, layers)
    file = save_lora(layout(pairs), tmp_path / "style.safetensors")
    fused = load_pipeline(model, LoadOptions(lora=f"{file}:0.5")).pipeline
    assert_fused(fused, pipeline, pairs, 0.5 * factor)


@torch.no_grad()
def test_each_layer_has_its_own_alpha(
    pipeline: StableDiffusionPipeline, model: str, tmp_path: Path
) -> None:
    pairs = products(pipeline, LAYERS[:2])
    weights = kohya(pairs, alpha=6.0)
    flat = LAYERS[1].removeprefix("unet.").replace(".", "_")
    weights[f"lora_unet_{flat}.alpha"] = torch.tensor(1.0)
    file = save_lora(weights, tmp_path / "x.safetensors")
    fused = load_pipeline(model, LoadOptions(lora=file)).pipeline
    for name, factor in ((LAYERS[0], 6 / RANK), (LAYERS[1], 1 / RANK)):
        down, up = pairs[name]
        expected = layer_of(pipeline, name).weight + factor * up @ down
        torch.testing.assert_close(layer_of(fused, name).weight, expected)


@torch.no_grad()
def test_every_layer_of_a_model_may_be_named(
    pipeline: StableDiffusionPipeline, model: str, tmp_path: Path
) -> None:
    kinds = torch.nn.Linear | torch.nn.Conv2d
    layers = tuple(
        f"{part}.{name}"
        for part in ("unet", "text_encoder")
        for name, module in getattr(pipeline, part).named_modules()
        if isinstance(module, kinds)
    )
    pairs = products(pipeline, layers)
    file = save_lora(kohya(pairs, alpha=1.0), tmp_path / "all.safetensors")
    fused = load_pipeline(model, LoadOptions(lora=file)).pipeline
    assert_fused(fused, pipeline, pairs, 1 / RANK)


@torch.no_grad()
def test_the_alphas_of_a_files_metadata_count(
    pipeline: StableDiffusionPipeline, model: str, tmp_path: Path
) -> None:
    """As diffusers' `save_lora_weights` writes them since version 0.34."""
    other = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"
    metadata = {"unet.r": RANK, "unet.lora_alpha": 6, "unet.alpha_pattern": {other: 12}}
    pairs = products(pipeline, LAYERS[:2])
    file = save_lora(
        diffusers(pairs), tmp_path / "x.safetensors", lora_adapter_metadata=json.dumps(metadata)
    )
    fused = load_pipeline(model, LoadOptions(lora=file)).pipeline
    for name, factor in ((LAYERS[0], 12 / RANK), (LAYERS[1], 6 / RANK)):
        down, up = pairs[name]
        expected = layer_of(pipeline, name).weight + factor * up @ down
        torch.testing.assert_close(layer_of(fused, name).weight, expected)


@torch.no_grad()
def test_several_loras_add_up_in_a_folder_too(
    pipeline: StableDiffusionPipeline, tmp_path: Path
) -> None:
    pipeline.save_pretrained(tmp_path / "model")
    pairs = products(pipeline)
    one = save_lora(kohya(pairs, alpha=None), tmp_path / "one.safetensors")
    two = save_lora(diffusers(pairs), tmp_path / "two.safetensors")
    options = LoadOptions(lora=f"{one}:0.75, {two}:-0.25")
    fused = load_pipeline(str(tmp_path / "model"), options).pipeline
    assert_fused(fused, pipeline, pairs, 0.5)


@torch.no_grad()
def test_a_fused_model_is_another_model_and_the_same_as_one_that_was_merged_before(
    pipeline: StableDiffusionPipeline, model: str, tmp_path: Path
) -> None:
    pairs = products(pipeline)
    file = save_lora(kohya(pairs, alpha=None), tmp_path / "style.safetensors")
    merged = tiny_pipeline()
    for name, (down, up) in pairs.items():
        weight = layer_of(merged, name).weight
        weight += (up.flatten(1) @ down.flatten(1)).view(weight.shape)
    save_original(merged, tmp_path / "merged.safetensors")

    def identity(path: str, lora: str = "") -> str:
        options = ModelOptions(lora=lora)
        return StableDiffusion.from_pretrained(path, device="cpu", options=options).identity

    fused = identity(model, file)
    assert fused == identity(str(tmp_path / "merged.safetensors"))
    assert len({fused, identity(model), identity(model, f"{file}:0.5")}) == 3


def test_an_edit_is_made_with_a_fused_model(
    pipeline: StableDiffusionPipeline, tmp_path: Path
) -> None:
    tiny_pipeline(sample_size=8).save_pretrained(tmp_path / "model")
    file = save_lora(kohya(products(pipeline), alpha=None), tmp_path / "style.safetensors")
    options = EditOptions(inversion=InversionOptions(num_inference_steps=2, inner_steps=1))
    shown = []
    for lora in ("", file):
        options_of_model = ModelOptions(lora=lora)
        editor = Editor.from_pretrained(
            str(tmp_path / "model"), device="cpu", options=options_of_model
        )
        shown.append(editor.edit(small_photo(), "a cat", options).outputs[0].image.tobytes())
    assert shown[0] != shown[1]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("lora_unet_mid_block_attentions_0_proj_in.hada_w1_a", "is a LoHa, which cannot be fused"),
        ("lora_te_text_model_encoder_layers_0_mlp_fc1.lokr_w1", "is a LoKr, which cannot"),
        ("lora_unet_down_blocks_0_resnets_0_conv1.lora_mid.weight", "is a LoRA with a Tucker dec"),
        ("lora_unet_conv_in.dora_scale", "is a DoRA, which cannot be fused here"),
        ("control_model.input_blocks.0.0.weight", "is a ControlNet. Give a LoRA in kohya's or"),
        ("first_stage_model.encoder.conv_in.bias", "is a VAE alone. Give a LoRA"),
    ],
)
def test_what_is_not_a_lora_is_refused_by_what_it_is(
    name: str, said: str, model: str, tmp_path: Path
) -> None:
    tensors = {name: torch.zeros(2, 3), "lora_unet_conv_in.lora_down.weight": torch.zeros(2, 3)}
    if "lora" not in name:
        tensors = {name: torch.zeros(2, 3), f"{name}.more": torch.zeros(1)}
    file = save_lora(tensors, tmp_path / "x.safetensors")
    problem = refusal(model, file)
    assert problem.startswith(f"BARET_LORA: x.safetensors {said}")
    assert inspect_model(model, LoadOptions(lora=file)).problem == problem


@pytest.mark.parametrize(
    ("tensors", "family"),
    [
        (
            {"lora_unet_down_blocks_1_attn2_to_k.lora_down.weight": torch.zeros(4, 768)},
            "Stable Diffusion 1.x",
        ),
        (
            {"lora_te_text_model_encoder_self_attn_q_proj.lora_down.weight": torch.zeros(4, 1024)},
            "Stable Diffusion 2.x",
        ),
        (
            {"lora_te2_text_model_encoder_self_attn_q_proj.lora_down.weight": torch.zeros(4, 1280)},
            "Stable Diffusion XL",
        ),
    ],
)
def test_a_lora_for_another_family_is_refused_by_its_family(
    tensors: Weights, family: str, model: str, tmp_path: Path
) -> None:
    ups = {name.replace("lora_down", "lora_up"): torch.zeros(8, 4) for name in tensors}
    file = save_lora(tensors | ups, tmp_path / "x.safetensors")
    problem = refusal(model, file)
    assert f"x.safetensors is a LoRA for {family}, and the model is a single file of" in problem
    assert "Give a LoRA that was made for the model's family." in problem


DOWN = "lora_unet_down_blocks_0_attentions_0_proj_in.lora_down.weight"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (
            lambda w: {n.replace("blocks_0_att", "blocks_7_att"): t for n, t in w.items()},
            "changes layers that the model does not have: unet.down_blocks.7.attentions.0",
        ),
        (
            lambda w: {n.replace("lora_unet", "lora_transformer"): t for n, t in w.items()},
            "has weights that are not understood: lora_transformer_",
        ),
        (
            lambda w: {n: t for n, t in w.items() if "attn1_to_q.lora_up" not in n},
            "has weights that are not understood",
        ),
        (
            lambda w: {n: t[:, :-1] if "to_q.lora_down" in n else t for n, t in w.items()},
            "has another shape than the model for unet.down_blocks.0.attentions.0",
        ),
        (lambda w: {n: t * torch.inf for n, t in w.items()}, "infinite or NaN"),
        (lambda w: w | {"lora_unet_conv_in.alpha": torch.ones(())}, "has lora_unet_conv_in.alpha"),
        (
            lambda w: w | {"lora_unet_conv_in.bias": torch.ones(2)},
            "has weights that are not understood",
        ),
    ],
    ids=["layer", "prefix", "half", "shape", "infinite", "alpha alone", "more"],
)
def test_a_lora_with_weights_that_have_no_place_is_refused_and_they_are_named(
    changed: Callable[[Weights], Weights],
    said: str,
    pipeline: StableDiffusionPipeline,
    model: str,
    tmp_path: Path,
) -> None:
    weights = changed(kohya(products(pipeline, LAYERS[:2]), alpha=None))
    assert said in refusal(model, save_lora(weights, tmp_path / "x.safetensors"))


def test_a_file_that_is_not_there_or_a_pickle_is_named(model: str, tmp_path: Path) -> None:
    (tmp_path / "x.pt").write_bytes(b"")
    (tmp_path / "x.safetensors").write_bytes(b"no header")
    for name, said in (("no.safetensors", "is not a"), ("x.pt", "is not a .safetensors file")):
        assert said in refusal(model, str(tmp_path / name))
    unreadable = refusal(model, str(tmp_path / "x.safetensors"))
    assert unreadable == "BARET_LORA: x.safetensors is not a readable safetensors file."


@pytest.mark.parametrize(
    ("setting", "files"),
    [
        ("", []),
        ("a.safetensors", [("a.safetensors", 1.0)]),
        ("a.safetensors:0.8, b.safetensors:-1", [("a.safetensors", 0.8), ("b.safetensors", -1.0)]),
        (r"C:\x\a.safetensors", [(r"C:\x\a.safetensors", 1.0)]),
    ],
)
def test_the_setting_lists_files_and_scales(setting: str, files: list[tuple[str, float]]) -> None:
    assert parse_loras(setting) == tuple(LoraFile(Path(path), scale) for path, scale in files)


@pytest.mark.parametrize("setting", ["a.safetensors:nan", "a.safetensors:inf", ":0.5"])
def test_a_scale_that_is_not_finite_is_refused(setting: str) -> None:
    with pytest.raises(UnsupportedModel, match="is not a path and a finite scale"):
        parse_loras(setting)


def test_the_report_names_the_lora_and_hints_at_a_distilled_one(
    pipeline: StableDiffusionPipeline, model: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    weights = kohya(products(pipeline), alpha=None)
    file = save_lora(weights, tmp_path / "lcm-lora.safetensors")
    assert main(["--lora", f"{file}:0.8", model]) == 0
    out = capsys.readouterr().out
    assert "  with: LoRA lcm-lora.safetensors at 0.8 (9 layers, rank 3)\n" in out
    assert "note: lcm-lora.safetensors: Its name has 'lcm'." in out
    assert main(["--lora", str(tmp_path / "no.safetensors"), model]) == 1
    assert "cannot be used: BARET_LORA:" in capsys.readouterr().out


def test_half_precision_weights_are_fused_in_float32(
    pipeline: StableDiffusionPipeline, model: str, tmp_path: Path
) -> None:
    pairs = products(pipeline, LAYERS[:1])
    weights = {n: t.half() for n, t in diffusers(pairs).items()}
    file = save_lora(weights, tmp_path / "x.safetensors")
    options = LoadOptions(lora=file, dtype=torch.float16)
    weight = layer_of(load_pipeline(model, options).pipeline, LAYERS[0]).weight
    down, up = (tensor.half().float() for tensor in pairs[LAYERS[0]])
    before = layer_of(pipeline, LAYERS[0]).weight.half().float()
    assert torch.equal(weight, (before + up @ down).half())


def test_a_lora_given_as_the_model_says_where_it_belongs(tmp_path: Path) -> None:
    save_file({"lora_te_x.lora_up.weight": torch.zeros(1)}, tmp_path / "x.safetensors")
    problem = inspect_model(str(tmp_path / "x.safetensors")).problem
    assert problem is not None and "Give it in BARET_LORA" in problem
