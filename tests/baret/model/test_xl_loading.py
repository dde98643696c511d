"""Stable Diffusion XL: folder and single file load alike; what resembles it is refused by name."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKL, StableDiffusionXLPipeline, UNet2DConditionModel
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from baret.errors import UnsupportedModel
from baret.model.description import LoadOptions
from baret.model.header import Header, TensorInfo
from baret.model.layout import CONFIGS, Parts, text_config, unet_config, vae_config
from baret.model.loading import inspect_model, load_pipeline
from baret.model.stable_diffusion import StableDiffusion
from baret.options import ModelOptions
from tests.support.loras import diffusers, kohya, layer_of, products, save_lora
from tests.support.original_layout import original_weights
from tests.support.tiny_models import (
    SECOND_WIDTH,
    TEXT_WIDTH,
    tiny_pipeline,
    tiny_vae,
    tiny_xl_pipeline,
)

UNET = "model.diffusion_model."
PARTS = ("unet", "vae", "text_encoder", "text_encoder_2")
Weights = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def made() -> StableDiffusionXLPipeline:
    return tiny_xl_pipeline(sample_size=8)


@pytest.fixture(scope="module")
def paths(made: StableDiffusionXLPipeline, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The same weights as a diffusers folder and as one file of the original layout."""
    base = tmp_path_factory.mktemp("xl")
    made.save_pretrained(base / "folder")
    save_file(original_weights(made), base / "file.safetensors")
    return [str(base / "folder"), str(base / "file.safetensors")]


@pytest.mark.parametrize("form", [0, 1], ids=["folder", "file"])
def test_every_weight_arrives_with_the_configuration_that_it_is_for(
    form: int, paths: list[str], made: StableDiffusionXLPipeline
) -> None:
    loaded = load_pipeline(paths[form], LoadOptions()).pipeline
    for part in PARTS:
        theirs, ours = getattr(made, part).state_dict(), getattr(loaded, part).state_dict()
        assert ours.keys() == theirs.keys()
        for name, tensor in ours.items():
            assert torch.equal(tensor, theirs[name]), name
    assert loaded.vae.config.scaling_factor == 0.13025
    assert loaded.unet.config.transformer_layers_per_block == [1, 2, 10]
    assert loaded.scheduler.config.prediction_type == "epsilon"


def test_a_file_is_native_at_1024_and_a_folder_at_what_it_says(paths: list[str]) -> None:
    folder, file = (inspect_model(path) for path in paths)
    assert (folder.native_size, file.native_size) == (64, 1024)
    assert folder.encoder_widths == file.encoder_widths == (TEXT_WIDTH, SECOND_WIDTH)
    assert list(file.parameters) == ["UNet", "VAE", "text encoder", "second text encoder"]
    assert "a single file of Stable Diffusion XL" in file.report()
    assert "GiB in float16" in file.report() and "can be used" in file.report()


def test_the_shapes_of_the_published_model_give_its_configuration() -> None:
    config = CONFIGS / "sdxl"
    with torch.device("meta"):
        pipeline = type("Pipeline", (), {})()
        pipeline.unet = UNet2DConditionModel.from_config(
            UNet2DConditionModel.load_config(config / "unet")
        )
        pipeline.vae = AutoencoderKL.from_config(AutoencoderKL.load_config(config / "vae"))
        pipeline.text_encoder = CLIPTextModel(
            CLIPTextConfig.from_pretrained(config / "text_encoder")
        )
        pipeline.text_encoder_2 = CLIPTextModelWithProjection(
            CLIPTextConfig.from_pretrained(config / "text_encoder_2")
        )
        weights = original_weights(pipeline)
    # As published: github.com/Stability-AI/generative-models, sd_xl_base.yaml, and its paper.
    assert sum(t.numel() for n, t in weights.items() if n.startswith(UNET)) == 2_567_463_684
    assert weights[f"{UNET}label_emb.0.0.weight"].shape == (1280, 2816)
    parts = Parts.of(Header({n: TensorInfo(tuple(t.shape), "F16") for n, t in weights.items()}, {}))
    assert (parts.family, parts.missing, parts.encoder_widths) == ("sdxl", (), (768, 1280))
    for folder, ours in (
        ("unet", unet_config(parts.unet, "sdxl", sample_size=128)),
        ("vae", vae_config(parts.vae, "sdxl")),
        ("text_encoder", text_config(parts, "sdxl")),
        ("text_encoder_2", text_config(parts, "sdxl", "text_encoder_2")),
    ):
        published = json.loads((config / folder / "config.json").read_text("utf-8"))
        assert {name: ours[name] for name in published} == published


def refusal(path: Path) -> str:
    problem = inspect_model(str(path)).problem
    assert problem is not None
    with pytest.raises(UnsupportedModel) as refused:
        load_pipeline(str(path), LoadOptions())
    assert str(refused.value) == problem
    return problem


def as_refiner(weights: Weights) -> Weights:
    """Name the only text encoder as the refiner's file does."""
    second = "conditioner.embedders.1.model."
    return {
        name.replace(second, "conditioner.embedders.0.model."): tensor
        for name, tensor in weights.items()
        if not name.startswith("conditioner.embedders.0.")
    }


def without(prefix: str) -> Callable[[Weights], Weights]:
    return lambda weights: {n: t for n, t in weights.items() if not n.startswith(prefix)}


FILES = {
    "refiner": (as_refiner, "is the refiner of Stable Diffusion XL"),
    "five sizes": (
        lambda w: w | {f"{UNET}label_emb.0.0.weight": torch.zeros(4, 5 * 256 + 48)},
        "takes other conditions than Stable Diffusion XL",
    ),
    "no labels": (without(f"{UNET}label_emb."), "takes other conditions than Stable Diffusion XL"),
    "no first encoder": (without("conditioner.embedders.0."), "has no text encoder"),
    "no second encoder": (without("conditioner.embedders.1."), "has no second text encoder"),
    "no VAE": (without("first_stage_model."), "has no VAE"),
    "inpainting": (
        lambda w: w | {f"{UNET}input_blocks.0.0.weight": torch.zeros(32, 9, 3, 3)},
        "an inpainting model with 9 input channels",
    ),
    "EDM": (lambda w: w | {"edm_mean": torch.zeros(4)}, "in EDM's form"),
}


@pytest.mark.parametrize(("change", "said"), FILES.values(), ids=FILES)
def test_a_file_that_resembles_the_base_model_is_refused_by_name(
    change: Callable[[Weights], Weights],
    said: str,
    made: StableDiffusionXLPipeline,
    tmp_path: Path,
) -> None:
    changed = change(original_weights(made))
    save_file({n: t.contiguous() for n, t in changed.items()}, tmp_path / "x.safetensors")
    assert said in refusal(tmp_path / "x.safetensors")


def test_layers_of_different_depths_in_one_level_are_refused(
    made: StableDiffusionXLPipeline, tmp_path: Path
) -> None:
    shallow = without(f"{UNET}input_blocks.5.1.transformer_blocks.1.")
    save_file(shallow(original_weights(made)), tmp_path / "x.safetensors")
    with pytest.raises(UnsupportedModel, match="SSD-1B"):
        load_pipeline(str(tmp_path / "x.safetensors"), LoadOptions())


FOLDERS: dict[str, tuple[str, dict[str, Any], str]] = {
    "refiner": (
        "model_index.json",
        {"text_encoder": [None, None]},
        "is the refiner of Stable Diffusion XL",
    ),
    "its pipeline": (
        "model_index.json",
        {"_class_name": "StableDiffusionXLImg2ImgPipeline"},
        "is the refiner of Stable Diffusion XL",
    ),
    "another family's pipeline": (
        "model_index.json",
        {"_class_name": "StableDiffusionPipeline"},
        "has a UNet of Stable Diffusion XL, and its model_index.json names StableDiffusionPipeline",
    ),
    "EDM": (
        "scheduler/scheduler_config.json",
        {"_class_name": "EDMDPMSolverMultistepScheduler"},
        "needs its own scheduler (EDMDPMSolverMultistepScheduler)",
    ),
    "latents with a mean": ("vae/config.json", {"latents_mean": [0.1] * 4}, "Playground 2.5"),
}


@pytest.mark.parametrize(("name", "values", "said"), FOLDERS.values(), ids=FOLDERS)
def test_a_folder_that_resembles_the_base_model_is_refused_by_name(
    name: str, values: dict[str, Any], said: str, paths: list[str], tmp_path: Path
) -> None:
    folder = linked(Path(paths[0]), tmp_path / "model")
    config = json.loads((folder / name).read_text("utf-8"))
    (folder / name).write_text(json.dumps(config | values))
    assert said in refusal(folder)


def linked(source: Path, target: Path) -> Path:
    """Copy a folder's configurations, and link its weights."""
    for path in source.rglob("*"):
        new = target / path.relative_to(source)
        new.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".safetensors":
            new.symlink_to(path)
        elif path.is_file():
            new.write_bytes(path.read_bytes())
    return target


def test_a_missing_projection_of_the_pooled_text_is_never_made_up(
    made: StableDiffusionXLPipeline, paths: list[str], tmp_path: Path
) -> None:
    folder = linked(Path(paths[0]), tmp_path / "model")
    path = folder / "text_encoder_2" / "model.safetensors"
    weights = made.text_encoder_2.state_dict()
    path.unlink()
    save_file({n: t for n, t in weights.items() if n != "text_projection.weight"}, path)
    with pytest.raises(UnsupportedModel, match=r"lacks text_projection\.weight"):
        load_pipeline(str(folder), LoadOptions())


def test_a_turbo_is_distilled_and_v_marks_are_read(paths: list[str], tmp_path: Path) -> None:
    folder = linked(Path(paths[0]), tmp_path / "model")
    scheduler = folder / "scheduler" / "scheduler_config.json"
    known = json.loads(scheduler.read_text("utf-8"))
    turbo = {"_class_name": "EulerAncestralDiscreteScheduler", "timestep_spacing": "trailing"}
    scheduler.write_text(json.dumps(known | turbo))
    assert inspect_model(str(folder)).distilled_by is not None
    marked = original_weights(tiny_xl_pipeline()) | {"v_pred": torch.zeros(1)}
    save_file(marked, tmp_path / "x.safetensors")
    prediction = inspect_model(str(tmp_path / "x.safetensors")).prediction
    assert prediction is not None and prediction.type == "v_prediction"


def test_a_vae_from_outside_has_the_scale_of_the_models_family(
    paths: list[str], tmp_path: Path
) -> None:
    pipeline = tiny_pipeline()
    weights = {n: t for n, t in original_weights(pipeline).items() if n.startswith("first_stage")}
    save_file(weights, tmp_path / "vae.safetensors")
    options = LoadOptions(vae=str(tmp_path / "vae.safetensors"))
    assert load_pipeline(paths[1], options).pipeline.vae.config.scaling_factor == 0.13025
    tiny_vae().save_pretrained(tmp_path / "vae")
    with pytest.raises(UnsupportedModel, match=r"is a VAE of Stable Diffusion 1\.x, and the model"):
        load_pipeline(paths[1], LoadOptions(vae=str(tmp_path / "vae")))


def test_the_vae_stays_in_float32_when_the_rest_is_in_half_precision(paths: list[str]) -> None:
    """In float16 this VAE's activations pass 65504, as those of the published one do."""
    model = StableDiffusion.from_pretrained(paths[0], device="cpu", dtype="bfloat16")
    assert model.unet.dtype == torch.bfloat16
    assert model._vae.dtype == torch.float32
    with torch.no_grad():
        model._vae.decoder.conv_in.weight.mul_(1e6)
    assert model.decode(torch.ones(4, 8, 8)).shape == (64, 64, 3)
    assert not torch.isfinite(
        model._vae.decoder.conv_in(torch.full((1, 4, 8, 8), 8.0)).half()
    ).all()


# LoRAs and embeddings

LAYERS = (
    "unet.down_blocks.1.attentions.0.transformer_blocks.1.attn2.to_k",
    "unet.mid_block.attentions.0.transformer_blocks.9.attn1.to_q",
    "unet.up_blocks.0.attentions.2.proj_in",
    "text_encoder.encoder.layers.0.self_attn.q_proj",
    "text_encoder_2.text_model.encoder.layers.1.mlp.fc1",
)
# The same layers as the original code names them, which kohya's files for this family do too.
KOHYA = {
    LAYERS[0]: "lora_unet_input_blocks_4_1_transformer_blocks_1_attn2_to_k",
    LAYERS[1]: "lora_unet_middle_block_1_transformer_blocks_9_attn1_to_q",
    LAYERS[2]: "lora_unet_output_blocks_2_1_proj_in",
    LAYERS[3]: "lora_te1_text_model_encoder_layers_0_self_attn_q_proj",
    LAYERS[4]: "lora_te2_text_model_encoder_layers_1_mlp_fc1",
}


@pytest.mark.parametrize("layout", ["kohya", "diffusers"])
def test_a_lora_changes_the_unet_and_both_text_encoders(
    layout: str, made: StableDiffusionXLPipeline, paths: list[str], tmp_path: Path
) -> None:
    pairs = products(made, LAYERS)
    if layout == "kohya":
        weights = {
            f"{KOHYA[name]}.lora_{side}.weight": tensor
            for name, pair in pairs.items()
            for side, tensor in zip(("down", "up"), pair, strict=True)
        }
    else:
        weights = diffusers(pairs)
    file = save_lora(weights, tmp_path / "x.safetensors")
    fused = load_pipeline(paths[1], LoadOptions(lora=f"{file}:0.5")).pipeline
    for name, (down, up) in pairs.items():
        before = layer_of(made, name).weight
        expected = before + 0.5 * (up.flatten(1) @ down.flatten(1)).view(before.shape)
        torch.testing.assert_close(layer_of(fused, name).weight, expected)


def test_a_lora_of_another_family_is_refused(paths: list[str], tmp_path: Path) -> None:
    pipeline = tiny_pipeline()
    file = save_lora(kohya(products(pipeline), alpha=None), tmp_path / "x.safetensors")
    problem = inspect_model(paths[1], LoadOptions(lora=file)).problem
    assert problem is not None and "x.safetensors is a LoRA for" in problem


def test_an_embedding_teaches_both_text_encoders_a_word(paths: list[str], tmp_path: Path) -> None:
    pair = {
        "clip_l": torch.full((2, TEXT_WIDTH), 0.1),
        "clip_g": torch.full((2, SECOND_WIDTH), 0.2),
    }
    save_file(pair, tmp_path / "my-dog.safetensors")
    options = ModelOptions(embeddings=str(tmp_path / "my-dog.safetensors"))
    taught = StableDiffusion.from_pretrained(paths[0], device="cpu", options=options)
    plain = StableDiffusion.from_pretrained(paths[0], device="cpu")
    assert len(taught.tokens("my-dog")) == 2
    for module, name in zip(taught._texts.modules, pair, strict=True):
        rows = module.get_input_embeddings().weight[-2:]
        assert torch.equal(rows, pair[name])
    for prompt in ("a cat", ""):
        ours, theirs = taught.embed(prompt), plain.embed(prompt)
        assert torch.equal(ours.embedding, theirs.embedding)
        assert ours.added is not None and theirs.added is not None
        assert torch.equal(ours.added.pooled, theirs.added.pooled)
    # Pooled at the end of the text, though the word's ids are greater than the end token's.
    ends = [taught.embed(text).added for text in ("my-dog", "my-dog runs")]
    assert ends[0] is not None and ends[1] is not None
    assert not torch.equal(ends[0].pooled, ends[1].pooled)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"x": torch.zeros(1, TEXT_WIDTH)}, "no vectors for both text encoders"),
        (
            {"clip_l": torch.zeros(1, TEXT_WIDTH), "clip_g": torch.zeros(2, SECOND_WIDTH)},
            "has 1 vectors for one text encoder and 2 for the other",
        ),
        (
            {"clip_l": torch.zeros(1, 768), "clip_g": torch.zeros(1, 1280)},
            "is an embedding for Stable Diffusion 1.x",
        ),
    ],
)
def test_an_embedding_without_vectors_for_both_is_refused(
    content: Weights, said: str, paths: list[str], tmp_path: Path
) -> None:
    save_file(content, tmp_path / "x.safetensors")
    options = LoadOptions(embeddings=str(tmp_path / "x.safetensors"))
    problem = inspect_model(paths[0], options).problem
    assert problem is not None and said in problem
