"""Single files of every layout load to the same weights as the folder they were made from."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline, UNet2DConditionModel
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel

from baret.errors import UnsupportedModel
from baret.model.description import LoadOptions
from baret.model.header import Header, TensorInfo
from baret.model.layout import CONFIGS, Parts, text_config, unet_config, vae_config
from baret.model.loading import inspect_model, load_pipeline
from baret.model.stable_diffusion import StableDiffusion
from baret.options import ModelOptions
from baret.unet.attention import attention_layers
from tests.support.original_layout import original_weights
from tests.support.tiny_models import TEXT_WIDTH, tiny_pipeline, tiny_vae

Weights = dict[str, torch.Tensor]
UNET, VAE = "model.diffusion_model.", "first_stage_model."
CLIP = "cond_stage_model.transformer."


@dataclass(frozen=True)
class Made:
    """A tiny model and its weights in the original layout."""

    pipeline: StableDiffusionPipeline
    weights: Weights


@pytest.fixture(scope="module")
def made() -> Made:
    pipeline = tiny_pipeline()
    return Made(pipeline, original_weights(pipeline))


def loaded(path: Path, weights: Weights, **options: str) -> StableDiffusionPipeline:
    save_file(weights, path)
    return load_pipeline(str(path), LoadOptions(**options)).pipeline


def assert_same(loaded: torch.nn.Module, made: torch.nn.Module) -> None:
    """Both have the same weights, and the configuration that computes the same with them."""
    theirs = made.state_dict()
    assert loaded.state_dict().keys() == theirs.keys()
    for name, tensor in loaded.state_dict().items():
        assert torch.equal(tensor, theirs[name]), name


def assert_same_answers(loaded: StableDiffusionPipeline, made: StableDiffusionPipeline) -> None:
    generator = torch.Generator().manual_seed(0)
    latents = torch.randn(1, 4, 16, 16, generator=generator)
    text = torch.randn(1, 77, TEXT_WIDTH, generator=generator)
    ids = torch.randint(0, 49408, (1, 77), generator=generator)
    cond = made.unet.config.time_cond_proj_dim
    extra = None if cond is None else torch.randn(1, cond, generator=generator)
    for one, other in (
        [p.unet(latents, 7, text, timestep_cond=extra).sample for p in (loaded, made)],
        [p.vae.decode(latents).sample for p in (loaded, made)],
        [p.text_encoder(ids)[0] for p in (loaded, made)],
    ):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("family", ["sd1", "sd2"])
def test_a_whole_file_computes_what_its_folder_computes(family: str, tmp_path: Path) -> None:
    pipeline = tiny_pipeline(family)  # type: ignore[arg-type]
    file = loaded(tmp_path / "x.safetensors", original_weights(pipeline))
    assert_same_answers(file, pipeline)
    assert file.tokenizer.pad_token == pipeline.tokenizer.pad_token


@torch.no_grad()
@pytest.mark.parametrize(
    "unet",
    [
        {"layers_per_block": 1},
        {"layers_per_block": 1, "mid_block_type": None},
        {
            "layers_per_block": 1,
            "mid_block_type": None,
            "block_out_channels": [32, 32, 64],
            "down_block_types": ["CrossAttnDownBlock2D"] * 3,
            "up_block_types": ["CrossAttnUpBlock2D"] * 3,
        },
    ],
    ids=["base", "small", "tiny"],
)
@pytest.mark.parametrize("gaps", [True, False], ids=["with gaps", "without gaps"])
def test_small_unets_load_in_both_numberings(
    unet: dict[str, object], gaps: bool, tmp_path: Path
) -> None:
    """BK-SDM and Segmind: their converters keep the numbers of two layers a level, or close up."""
    pipeline = tiny_pipeline(**unet)
    weights = original_weights(pipeline)
    if not gaps:
        weights = close_up(weights, levels=len(pipeline.unet.config.block_out_channels))
    file = loaded(tmp_path / "x.safetensors", weights)
    assert_same_answers(file, pipeline)
    assert attention_layers(file.unet) == attention_layers(pipeline.unet)


def close_up(weights: Weights, *, levels: int) -> Weights:
    """Number blocks of one layer a level as the original code would: one layer, one sampler."""
    new = {}
    for name, tensor in weights.items():
        for level in range(levels):
            down = {
                f"{3 * level + 1}.": f"{2 * level + 1}.",
                f"{3 * level + 3}.": f"{2 * level + 2}.",
            }
            up = {f"{3 * level + layer}.": f"{2 * level + layer}." for layer in (0, 1)}
            # An upsampler joins the block before it, as that block's last module.
            up[f"{3 * level + 2}."] = f"{2 * level + 1}."
            for side, numbers in (("input_blocks.", down), ("output_blocks.", up)):
                for old, number in numbers.items():
                    if name.startswith(f"{UNET}{side}{old}"):
                        rest = name.removeprefix(f"{UNET}{side}{old}")
                        new[f"{UNET}{side}{number}{rest}"] = tensor
    others = {
        name: tensor
        for name, tensor in weights.items()
        if not name.startswith((f"{UNET}input_blocks.", f"{UNET}output_blocks."))
    }
    first = {n: t for n, t in weights.items() if n.startswith(f"{UNET}input_blocks.0.")}
    return others | first | new


def without_text_model(weights: Weights) -> Weights:
    return {name.replace(f"{CLIP}text_model.", CLIP): tensor for name, tensor in weights.items()}


def averaged_only(weights: Weights) -> Weights:
    """Name the UNet's weights as LitEma does, without dots."""
    flat = {
        name: "model_ema." + name.removeprefix("model.").replace(".", "")
        for name in weights
        if name.startswith(UNET)
    }
    return {flat.get(name, name): tensor for name, tensor in weights.items()}


def with_old_buffers(weights: Weights) -> Weights:
    """Add what published files also contain."""
    return weights | {
        f"{CLIP}text_model.embeddings.position_ids": torch.arange(77)[None],
        f"{CLIP}vision_model.post_layernorm.bias": torch.ones(2),
        "alphas_cumprod": torch.ones(1000),
        "model_ema.decay": torch.ones(()),
        f"{VAE}loss.discriminator.main.0.weight": torch.ones(2),
    }


def other_vae_prefix(weights: Weights) -> Weights:
    return {name.replace(VAE, "vae."): tensor for name, tensor in weights.items()}


@pytest.mark.parametrize(
    "layout", [without_text_model, averaged_only, with_old_buffers, other_vae_prefix]
)
def test_other_spellings_load_the_same_weights(
    layout: Callable[[Weights], Weights], made: Made, tmp_path: Path
) -> None:
    file = loaded(tmp_path / "x.safetensors", layout(made.weights))
    assert_same(file.unet, made.pipeline.unet)
    assert_same(file.vae, made.pipeline.vae)
    assert_same(file.text_encoder, made.pipeline.text_encoder)


@torch.no_grad()
@pytest.mark.parametrize("spelling", ["scale_weight", "weight_scale"])
def test_scales_of_8_bit_weights_are_applied(spelling: str, made: Made, tmp_path: Path) -> None:
    scaled = dict(made.weights) | {"scaled_fp8": torch.zeros(2).to(torch.float8_e4m3fn)}
    for name in [n for n in made.weights if n.startswith(UNET) and n.endswith(".weight")]:
        tensor = made.weights[name]
        if tensor.ndim > 1:
            # e4m3 reaches 448; a scale for each output is the newer form.
            along = tuple(range(1, tensor.ndim)) if spelling == "weight_scale" else None
            largest = tensor.abs().amax(along) if along else tensor.abs().amax()
            scale = largest / 448
            shape = (-1, *[1] * (tensor.ndim - 1)) if along else ()
            scaled[name] = (tensor / scale.view(shape)).to(torch.float8_e4m3fn)
            scaled[name.replace(".weight", f".{spelling}")] = scale
            scaled[name.replace(".weight", ".scale_input")] = torch.ones(())
    file = loaded(tmp_path / "x.safetensors", scaled)
    theirs = made.pipeline.unet.state_dict()
    for name, tensor in file.unet.state_dict().items():
        error = (tensor - theirs[name]).abs().max() / theirs[name].abs().max().clamp(min=1e-6)
        assert error < 0.04, name  # e4m3 has three bits of mantissa: at most 1/32 off
    assert "scales" in "".join(inspect_model(str(tmp_path / "x.safetensors")).notes)


@torch.no_grad()
@pytest.mark.parametrize("name", ["time_embed.cond_proj", "time_embedding.cond_proj"])
def test_an_lcms_guidance_embedding_is_kept(name: str, tmp_path: Path) -> None:
    pipeline = tiny_pipeline(time_cond_proj_dim=16)
    weights = original_weights(pipeline)
    (old,) = [one for one in weights if "cond_proj" in one]
    weights[f"{UNET}{name}.weight"] = weights.pop(old)
    assert_same_answers(loaded(tmp_path / "x.safetensors", weights), pipeline)


# Real sizes: the shapes of the published models, without their weights.


def meta_header(family: str) -> Header:
    """The header of a whole file of a family at its real size."""
    config = CONFIGS / family
    with torch.device("meta"):
        pipeline = type("Parts", (), {})()
        pipeline.unet = UNet2DConditionModel.from_config(
            UNet2DConditionModel.load_config(config / "unet")
        )
        pipeline.vae = AutoencoderKL.from_config(AutoencoderKL.load_config(config / "vae"))
        pipeline.text_encoder = CLIPTextModel(
            CLIPTextConfig.from_pretrained(config / "text_encoder")
        )
        weights = original_weights(pipeline)
    return Header({n: TensorInfo(tuple(t.shape), "F16") for n, t in weights.items()}, {})


@pytest.mark.parametrize("family", ["sd1", "sd2"])
def test_the_shapes_of_published_models_give_their_configurations(family: str) -> None:
    parts = Parts.of(meta_header(family))
    assert parts.family == family
    assert parts.missing == ()
    size = {"sd1": 64, "sd2": 96}[family]
    with torch.device("meta"):
        unet = UNet2DConditionModel.from_config(
            unet_config(parts.unet, family, sample_size=size)  # type: ignore[arg-type]
        )
        vae = AutoencoderKL.from_config(vae_config(parts.vae, family))
    published = UNet2DConditionModel.load_config(CONFIGS / family / "unet")
    for name, value in published.items():
        if not name.startswith("_"):
            assert unet.config[name] == value, name
    for name, value in AutoencoderKL.load_config(CONFIGS / family / "vae").items():
        if not name.startswith("_") and name != "sample_size":
            assert vae.config[name] == value, name
    text = text_config(parts, family)  # type: ignore[arg-type]
    published_text = CLIPTextConfig.from_pretrained(CONFIGS / family / "text_encoder")
    assert CLIPTextConfig(**text).to_dict() == published_text.to_dict()


def test_the_last_layer_of_open_clip_is_left_out(tmp_path: Path) -> None:
    weights = original_weights(tiny_pipeline("sd2"))
    layers = {n: t for n, t in weights.items() if ".resblocks.0." in n}
    for layer in range(1, 24):
        weights |= {n.replace(".0.", f".{layer}.", 1): t.clone() for n, t in layers.items()}
    assert loaded(tmp_path / "x.safetensors", weights).text_encoder.config.num_hidden_layers == 23


# A VAE from outside


def saved_vae(folder: Path, form: str, vae: AutoencoderKL) -> str:
    pipeline = tiny_pipeline()
    pipeline.vae = vae
    weights = {n: t for n, t in original_weights(pipeline).items() if n.startswith(VAE)}
    bare = {name.removeprefix(VAE): tensor for name, tensor in weights.items()}
    folder.mkdir()
    if form == "folder":
        vae.save_pretrained(folder)
        return str(folder)
    if form == "folder of a model":
        vae.save_pretrained(folder / "vae")
        return str(folder)
    if form == "half-precision folder":
        vae.half().save_pretrained(folder, variant="fp16")
        return str(folder)
    if form == "diffusers' file":
        vae.save_pretrained(folder)
        return str(folder / "diffusion_pytorch_model.safetensors")
    save_file(weights if form == "file" else bare, folder / "vae.safetensors")
    return str(folder / "vae.safetensors")


@pytest.mark.parametrize(
    "form",
    [
        *("file", "file without prefix", "diffusers' file"),
        *("folder", "folder of a model", "half-precision folder"),
    ],
)
def test_a_vae_from_outside_replaces_the_models_own_or_fills_in(
    form: str, made: Made, tmp_path: Path
) -> None:
    vae = tiny_vae()
    name = saved_vae(tmp_path / "vae", form, vae)
    whole = form != "file"
    weights = {n: t for n, t in made.weights.items() if whole or not n.startswith(VAE)}
    file = loaded(tmp_path / "x.safetensors", weights, vae=name)
    assert_same(file.vae, vae.float())


def test_a_vae_from_outside_is_part_of_the_identity(made: Made, tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    save_file(made.weights, path)
    options = ModelOptions(vae=saved_vae(tmp_path / "vae", "folder", tiny_vae()))
    own, other = (
        StableDiffusion.from_pretrained(str(path), device="cpu", options=one)
        for one in (None, options)
    )
    assert own.identity != other.identity


def test_a_vae_for_other_latents_is_refused(made: Made, tmp_path: Path) -> None:
    tiny_vae(latent_channels=16).save_pretrained(tmp_path / "vae")
    with pytest.raises(UnsupportedModel, match=r"BARET_VAE: .* has 16 latent channels"):
        loaded(tmp_path / "x.safetensors", made.weights, vae=str(tmp_path / "vae"))


def test_a_vae_that_is_not_there_is_named(made: Made, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedModel, match=r"BARET_VAE: .*nothing is not a \.safetensors file"):
        loaded(tmp_path / "x.safetensors", made.weights, vae=str(tmp_path / "nothing"))
