"""Files and folders that are no usable model are refused by what they are, unread."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from baret.errors import UnsupportedModel
from baret.model.description import LoadOptions
from baret.model.loading import BUNDLED, inspect_model, load_pipeline
from tests.support.original_layout import original_weights
from tests.support.tiny_models import tiny_pipeline

UNET = "model.diffusion_model."
FIRST = f"{UNET}input_blocks.0.0.weight"


@pytest.fixture(scope="module")
def whole() -> dict[str, torch.Tensor]:
    return original_weights(tiny_pipeline())


def refusal(path: Path) -> str:
    """Why a model cannot be used; loading says the same as the inspection."""
    problem = inspect_model(str(path)).problem
    assert problem is not None
    with pytest.raises(UnsupportedModel) as refused:
        load_pipeline(str(path), LoadOptions())
    assert str(refused.value) == problem
    return problem


# Names of tensors as the public tools and checkpoints of each kind have them.
KINDS = {
    "a LoRA (kohya)": ("lora_unet_down_blocks_0_attentions_0_proj_in.lora_down.weight", "a LoRA"),
    "a LoRA (diffusers)": ("unet.down_blocks.0.attentions.0.proj_in.lora_A.weight", "a LoRA"),
    "a LoRA (earlier diffusers)": ("unet.mid_block.attn.to_q_lora.up.weight", "a LoRA"),
    "a LoHa": ("lora_unet_mid_block_attentions_0_proj_in.hada_w1_a", "a LoRA"),
    "a LoKr": ("lora_te_text_model_encoder_layers_0_mlp_fc1.lokr_w1", "a LoRA"),
    "a ControlNet": ("control_model.input_blocks.0.0.weight", "a ControlNet"),
    "a ControlNet (diffusers)": ("controlnet_cond_embedding.conv_in.weight", "a ControlNet"),
    "a T2I-Adapter": ("adapter.body.0.resnets.0.block1.weight", "a T2I-Adapter"),
    "an IP-Adapter": ("image_proj.proj.weight", "an IP-Adapter"),
    "AnimateDiff": ("down_blocks.0.motion_modules.0.norm.weight", "a motion module"),
    "Stable Video Diffusion": (f"{UNET}input_blocks.1.0.time_stack.in_layers.0.bias", "a video"),
    "Stable Diffusion 3": (f"{UNET}joint_blocks.0.x_block.mlp.fc1.bias", "Stable Diffusion 3"),
    "FLUX": (f"{UNET}double_blocks.0.img_attn.norm.key_norm.scale", "FLUX"),
    "FLUX's transformer": ("double_blocks.0.img_attn.qkv.weight", "FLUX"),
    "Chroma": ("distilled_guidance_layer.in_proj.bias", "Chroma"),
    "PixArt": ("adaln_single.linear.weight", "PixArt"),
    "PixArt (original)": ("t_block.1.weight", "PixArt"),
    "AuraFlow": ("double_layers.0.attn.w1q.weight", "AuraFlow"),
    "Lumina": ("cap_embedder.0.weight", "another diffusion transformer"),
    "Stable Cascade": ("clip_txt_mapper.weight", "Stable Cascade"),
    "SDXL's texts": ("conditioner.embedders.1.model.ln_final.bias", "a text encoder alone"),
    "Playground 2.5": ("edm_mean", "a model trained in EDM's form"),
    "CosXL": ("edm_vpred.sigma_max", "a model trained in EDM's form"),
    "SDXL's refiner": ("conditioner.embedders.0.model.ln_final.bias", "the refiner of Stable"),
    "unCLIP": ("noise_augmentor.betas", "an unCLIP model"),
    "a safety checker": ("special_care_embeds", "a safety checker"),
    "a UNet": (f"{UNET}out.2.bias", "a UNet alone"),
    "a UNet (diffusers)": ("down_blocks.0.resnets.0.conv1.weight", "a UNet alone"),
    "a VAE": ("first_stage_model.encoder.conv_in.bias", "a VAE alone"),
    "a VAE without prefix": ("decoder.conv_in.bias", "a VAE alone"),
    "a text encoder": ("text_model.final_layer_norm.bias", "a text encoder alone"),
    "CLIP's image side": ("vision_model.post_layernorm.bias", "an image encoder alone"),
    "an upscaler": ("RRDB_trunk.0.RDB1.conv1.weight", "an upscaler"),
    "something else": ("layers.7.weight", "of no known kind (its first tensors: layers.7.weight, "),
}


@pytest.mark.parametrize(("name", "said"), KINDS.values(), ids=KINDS)
def test_a_file_of_another_kind_is_refused_by_its_kind(
    name: str, said: str, tmp_path: Path
) -> None:
    path = tmp_path / "file.safetensors"
    save_file({name: torch.zeros(2, 3), f"{name}.more": torch.zeros(1)}, path)
    problem = refusal(path)
    assert problem.startswith(f"file.safetensors is {said}")
    assert "ive " in problem  # give the …, or: …, and give that


@pytest.mark.parametrize(
    "tensors",
    [
        {"emb_params": torch.zeros(4, 768)},
        {"<cat-toy>": torch.zeros(1, 768)},
        {"clip_g": torch.zeros(2, 1280), "clip_l": torch.zeros(2, 768)},
    ],
    ids=["web UI", "diffusers", "SDXL"],
)
def test_a_textual_inversion_is_refused_by_name(
    tensors: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    save_file(tensors, tmp_path / "file.safetensors")
    assert "is a textual inversion embedding" in refusal(tmp_path / "file.safetensors")


def widened(tensors: dict[str, torch.Tensor], channels: int) -> dict[str, torch.Tensor]:
    shape = tensors[FIRST].shape
    return tensors | {FIRST: torch.zeros(shape[0], channels, *shape[2:])}


@pytest.mark.parametrize(
    ("channels", "said"),
    [
        (9, "an inpainting model with 9 input channels; give the text-to-image one"),
        (8, "an InstructPix2Pix model with 8 input channels; give the text-to-image one"),
        (7, "an upscaler with 7 input channels; give the text-to-image one"),
        (5, "a depth-to-image model with 5 input channels; give the text-to-image one"),
        (16, "a model for other latents with 16 input channels; give the text-to-image one"),
    ],
)
def test_a_model_with_other_inputs_is_refused_by_name(
    channels: int, said: str, whole: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    save_file(widened(whole, channels), tmp_path / "file.safetensors")
    assert refusal(tmp_path / "file.safetensors") == f"file.safetensors is {said}."


def test_a_unet_with_labels_is_refused(whole: dict[str, torch.Tensor], tmp_path: Path) -> None:
    labelled = whole | {f"{UNET}label_emb.0.0.weight": torch.zeros(2, 2)}
    save_file(labelled, tmp_path / "file.safetensors")
    assert "label_emb" in refusal(tmp_path / "file.safetensors")


@pytest.mark.parametrize(
    ("prefix", "said"),
    [
        ("first_stage_model.", "has no VAE. Give one in BARET_VAE, a file or a folder."),
        ("cond_stage_model.", "has no text encoder. Give the whole checkpoint"),
    ],
)
def test_a_part_that_is_missing_is_named(
    prefix: str, said: str, whole: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    rest = {name: tensor for name, tensor in whole.items() if not name.startswith(prefix)}
    width = f"{UNET}input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight"
    rest[width] = torch.zeros(32, 768)  # as Stable Diffusion 1's; without a text encoder it counts
    save_file(rest, tmp_path / "file.safetensors")
    assert said in refusal(tmp_path / "file.safetensors")


def test_a_unet_of_sdxls_width_without_its_texts_is_named(
    whole: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    width = f"{UNET}input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight"
    rest = {n: t for n, t in whole.items() if not n.startswith("cond_stage_model.")}
    save_file(rest | {width: torch.zeros(32, 2048)}, tmp_path / "file.safetensors")
    problem = refusal(tmp_path / "file.safetensors")
    assert "has no text encoder" in problem and "of Stable Diffusion XL in one file" in problem


LOST = {
    f"{UNET}middle_block.0.in_layers.2.bias": "The UNet lacks mid_block.resnets.0.conv1.bias",
    "first_stage_model.quant_conv.bias": "The VAE lacks quant_conv.bias",
    "cond_stage_model.transformer.text_model.encoder.layers.0.mlp.fc2.bias": (
        "The text encoder lacks encoder.layers.0.mlp.fc2.bias"
    ),
}


@pytest.mark.parametrize(("name", "said"), LOST.items())
def test_a_weight_that_is_missing_is_named(
    name: str, said: str, whole: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    path = tmp_path / "file.safetensors"
    save_file({one: tensor for one, tensor in whole.items() if one != name}, path)
    with pytest.raises(UnsupportedModel, match=said):
        load_pipeline(str(path), LoadOptions())


def test_a_weight_without_a_place_is_named(whole: dict[str, torch.Tensor], tmp_path: Path) -> None:
    path = tmp_path / "file.safetensors"
    save_file(whole | {f"{UNET}extra.weight": torch.zeros(2)}, path)
    with pytest.raises(UnsupportedModel, match=r"The UNet has no place for extra\.weight"):
        load_pipeline(str(path), LoadOptions())


def test_integer_weights_are_refused(whole: dict[str, torch.Tensor], tmp_path: Path) -> None:
    path, name = tmp_path / "file.safetensors", f"{UNET}time_embed.0.weight"
    save_file(whole | {name: whole[name].to(torch.int8)}, path)
    with pytest.raises(UnsupportedModel, match=r"time_embed\.0\.weight is quantised to int8"):
        load_pipeline(str(path), LoadOptions())


def test_a_gguf_file_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "model.gguf").write_bytes(b"GGUF")
    assert "quantised (GGUF)" in refusal(tmp_path / "model.gguf")


# Folders


def configured(path: Path, **values: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    known = json.loads(path.read_text()) if path.is_file() else {}
    path.write_text(json.dumps(known | values))


PIPELINES = {
    "StableDiffusionXLControlNetPipeline": "is a model with a ControlNet",
    "StableDiffusionXLImg2ImgPipeline": "is the refiner of Stable Diffusion XL",
    "StableDiffusionInpaintPipeline": "is an inpainting model with 9 input channels",
    "StableDiffusionInstructPix2PixPipeline": "is an InstructPix2Pix model",
    "StableUnCLIPImg2ImgPipeline": "is an unCLIP model",
    "StableDiffusionDepth2ImgPipeline": "is a depth-to-image model",
    "StableDiffusionUpscalePipeline": "is an upscaler",
    "StableDiffusion3Pipeline": "is Stable Diffusion 3",
    "FluxPipeline": "is FLUX",
    "PixArtSigmaPipeline": "is PixArt",
    "StableVideoDiffusionPipeline": "is a video model",
    "SomethingNewPipeline": "is not a Stable Diffusion 1.x, 2.x or XL",
}


@pytest.mark.parametrize(("pipeline", "said"), PIPELINES.items(), ids=PIPELINES)
def test_a_folder_of_another_pipeline_is_named(pipeline: str, said: str, tmp_path: Path) -> None:
    configured(tmp_path / "model_index.json", _class_name=pipeline)
    problem = refusal(tmp_path)
    assert said in problem and pipeline in problem


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The bundled model's folder by links, whose configurations a test may change."""
    for path in (BUNDLED / "zoo").rglob("*"):
        target = tmp_path / "model" / path.relative_to(BUNDLED / "zoo")
        target.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".json":
            target.write_bytes(path.read_bytes())
        elif path.is_file():
            target.symlink_to(path)
    return tmp_path / "model"


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"in_channels": 9}, "an inpainting model with 9 input channels"),
        ({"class_embed_type": "projection"}, "unCLIP"),
        ({"addition_embed_type": "text_time"}, "Stable Diffusion XL"),
    ],
    ids=str,
)
def test_a_folder_whose_unet_takes_more_is_refused(
    values: dict[str, object], said: str, folder: Path
) -> None:
    configured(folder / "unet" / "config.json", **values)
    assert said in refusal(folder)


def test_a_folder_without_a_vae_says_what_to_set(folder: Path) -> None:
    (folder / "vae").rename(folder.parent / "vae")
    assert "has no VAE (vae/). Give one in BARET_VAE" in refusal(folder)


def test_one_part_of_a_model_and_a_lora_are_named(folder: Path, tmp_path: Path) -> None:
    assert "one part of a model (UNet2DConditionModel)" in refusal(folder / "unet")
    (tmp_path / "lora").mkdir()
    configured(tmp_path / "lora" / "adapter_config.json")
    assert "is a LoRA in PEFT's layout" in refusal(tmp_path / "lora")


def test_scaled_weights_in_a_folder_are_refused(folder: Path) -> None:
    path = folder / "unet" / "diffusion_pytorch_model.safetensors"
    weights = load_file(path)
    path.unlink()
    save_file(weights | {"conv_in.scale_weight": torch.ones(1)}, path)
    assert "8-bit weights with scales" in refusal(folder)


@pytest.mark.parametrize("part", ["unet", "vae", "text_encoder"])
def test_a_weight_missing_from_a_folder_is_never_made_up(part: str, folder: Path) -> None:
    (path,) = (folder / part).glob("*.safetensors")
    weights = load_file(path)
    name = sorted(weights)[0]
    path.unlink()
    save_file({one: tensor for one, tensor in weights.items() if one != name}, path)
    with pytest.raises(UnsupportedModel):
        load_pipeline(str(folder), LoadOptions())


def test_a_weight_without_a_place_in_a_folder_is_refused(folder: Path) -> None:
    path = folder / "unet" / "diffusion_pytorch_model.safetensors"
    weights = load_file(path)
    path.unlink()
    save_file(weights | {"extra.weight": torch.zeros(2)}, path)
    with pytest.raises(UnsupportedModel, match=r"without a place: extra\.weight"):
        load_pipeline(str(folder), LoadOptions())
