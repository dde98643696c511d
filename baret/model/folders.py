"""A diffusers folder, and a hub's repository, which becomes one."""

from pathlib import Path
from typing import Any

from diffusers import AutoencoderKL, StableDiffusionPipeline, StableDiffusionXLPipeline

from baret.errors import UnsupportedModel
from baret.model.description import (
    LoadOptions,
    ModelDescription,
    channel_problem,
    describe_sampling,
    family_kind,
    native_latent_size,
)
from baret.model.folder_weights import check_complete, choose_variant, read_part
from baret.model.header import Header
from baret.model.kinds import find_other_kind
from baret.model.layout import FAMILY_NAMES, SUPPORTED, Family, family_of_unet
from baret.model.prediction import of_folder
from baret.model.text_encoders import AnyPipeline
from baret.model.trust import XL_CLASS, check_parts, read_json
from baret.model.weights import WEIGHT_SCALES

# The folders of the parts whose weights are loaded.
PARTS = {"unet": "UNet", "vae": "VAE", "text_encoder": "text encoder"}
XL_PARTS = PARTS | {"text_encoder_2": "second text encoder"}
# Schedulers of models that were not trained to denoise at DDIM's levels.
_OTHER_TRAININGS = ("EDM", "FlowMatch")
# Parts that no edit uses.
NO_CHECKER: dict[str, Any] = {
    "safety_checker": None,
    "feature_extractor": None,
    "requires_safety_checker": False,
}
_XL_GIVEN: dict[str, Any] = {
    "image_encoder": None,
    "feature_extractor": None,
    "add_watermarker": False,
}
# Schedulers that only distilled models come with: of LCM and of Hyper-SD (TCD), and of the Turbos.
_DISTILLED_SCHEDULERS = {"LCMScheduler", "TCDScheduler"}
_TURBO_SCHEDULERS = {"EulerDiscreteScheduler", "EulerAncestralDiscreteScheduler"}


def describe_folder(folder: Path, options: LoadOptions) -> ModelDescription:
    """Describe a folder by its configurations and the headers of its weights.

    Raises:
        UnsupportedModel: it is not a folder of a known pipeline, or leads to code or pickles.
    """
    if not (folder / "model_index.json").is_file():
        raise UnsupportedModel(_refuse_other_folder(folder))
    check_parts(folder)
    config = read_json(folder / "unet" / "config.json")
    prediction = of_folder(folder, options.prediction)
    variant = choose_variant(_paths(folder), options.dtype)
    evidence = _find_distillation(folder, config)
    distilled_by, notes = describe_sampling(options.sampling, evidence, folder.name)
    family = family_of_unet(config)
    parts = XL_PARTS if family == "sdxl" else PARTS
    headers = {part: read_part(folder / part, variant) for part in parts}
    width = config.get("cross_attention_dim")
    side = native_latent_size(config.get("sample_size"), family, prediction.type)
    return ModelDescription(
        str(folder),
        family_kind("a diffusers folder", family),
        family=family,
        problem=_find_problem(folder, config, headers, options),
        prediction=prediction,
        native_size=side * _pixels_per_latent(folder),
        distilled_by=distilled_by,
        notes=notes,
        parameters={parts[part]: header.numel() for part, header in headers.items()},
        variant=variant,
        text_width=width if isinstance(width, int) else None,
        encoder_widths=_encoder_widths(folder, family),
    )


def _encoder_widths(folder: Path, family: Family) -> tuple[int, ...]:
    names = ("text_encoder", "text_encoder_2") if family == "sdxl" else ("text_encoder",)
    configs = [folder / name / "config.json" for name in names]
    widths = [read_json(path).get("hidden_size") for path in configs if path.is_file()]
    return tuple(width for width in widths if isinstance(width, int))


def _paths(folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in folder.glob("*/*")]


def _pixels_per_latent(folder: Path) -> int:
    path = folder / "vae" / "config.json"
    levels = read_json(path).get("block_out_channels", [0] * 4) if path.is_file() else [0] * 4
    return 1 << (len(levels) - 1)


def _refuse_other_folder(folder: Path) -> str:
    """Say what a folder without model_index.json is."""
    if (folder / "adapter_config.json").is_file():
        return f"{folder} is a LoRA in PEFT's layout; give the model that it was made for."
    config = folder / "config.json"
    if config.is_file():
        name = read_json(config).get("_class_name") or read_json(config).get("model_type")
        return (
            f"{folder} has no model_index.json: it is one part of a model ({name}). Give the "
            "folder above it."
        )
    files = sorted(path.name for path in folder.glob("*.safetensors"))
    hint = f" Perhaps you mean {folder / files[0]}." if files else ""
    return f"{folder} has no model_index.json, so it is not a diffusers folder.{hint}"


def _find_distillation(folder: Path, unet_config: dict[str, Any]) -> str | None:
    """Return the evidence that a folder's model is distilled."""
    if unet_config.get("time_cond_proj_dim"):
        return "time_cond_proj_dim in its UNet's configuration (as LCMs have)"
    scheduler = read_json(folder / "scheduler" / "scheduler_config.json")
    name = scheduler.get("_class_name")
    trailing = scheduler.get("timestep_spacing") == "trailing"
    usual = scheduler.get("prediction_type", "epsilon") == "epsilon"
    if name in _DISTILLED_SCHEDULERS or (name in _TURBO_SCHEDULERS and trailing and usual):
        return f"its scheduler ({name}{', trailing' if trailing else ''})"
    return None


def _find_problem(
    folder: Path, config: dict[str, Any], headers: dict[str, Header], options: LoadOptions
) -> str | None:
    if problem := channel_problem(str(folder), config.get("in_channels", 4)):
        return problem
    if problem := _find_other_conditions(folder, config) or _find_other_training(folder):
        return problem
    for part, header in headers.items():
        if part == "vae" and options.vae:
            continue
        if not header.tensors:
            return _missing_part(folder / part)
        if other := find_other_kind(header):
            return f"{folder / part} holds {other.name}. {other.advice}"
        scaled = [name for name in header if name.endswith(WEIGHT_SCALES)]
        if scaled:
            return (
                f"{folder / part} has 8-bit weights with scales ({scaled[0]}), which are "
                "supported in single files only."
            )
    return None


def _find_other_conditions(folder: Path, config: dict[str, Any]) -> str | None:
    """Return why a UNet takes other conditions than its pipeline has, if so."""
    index = read_json(folder / "model_index.json")
    is_xl = index.get("_class_name") == XL_CLASS
    added = config.get("addition_embed_type")
    if config.get("class_embed_type") or added not in (None, "text_time"):
        return (
            f"{folder} has a UNet that also takes labels or an image's embedding, as those of "
            f"unCLIP models do; give one of {SUPPORTED}."
        )
    if is_xl and index.get("text_encoder") in (None, [None, None]):
        return (
            f"{folder} is the refiner of Stable Diffusion XL: it has no first text encoder. Give "
            "the base model."
        )
    if is_xl != (added == "text_time"):
        return (
            f"{folder} has a UNet of {FAMILY_NAMES[family_of_unet(config)]}, and its "
            f"model_index.json names {index.get('_class_name')}. Download the model again."
        )
    return None


def _find_other_training(folder: Path) -> str | None:
    """Return why a model needs other noise levels or latents than DDIM's, if so."""
    scheduler = read_json(folder / "scheduler" / "scheduler_config.json").get("_class_name")
    if str(scheduler).startswith(_OTHER_TRAININGS):
        return f"{folder} needs its own scheduler ({scheduler}). Give a model of {SUPPORTED}."
    vae = folder / "vae" / "config.json"
    if vae.is_file() and read_json(vae).get("latents_mean"):
        return (
            f"{folder} has a VAE with a mean of its latents (latents_mean), as Playground 2.5 has. "
            f"Give a model of {SUPPORTED}."
        )
    return None


def _missing_part(part: Path) -> str:
    outer = " Give one in BARET_VAE, a file or a folder." if part.name == "vae" else ""
    if not part.is_dir():
        return f"{part.parent} has no {XL_PARTS[part.name]} ({part.name}/).{outer}"
    if any(part.glob("*.bin")) or any(part.glob("*.pt")):
        return f"{part} has no .safetensors weights; pickles are not opened.{outer}"
    return f"{part} has no .safetensors weights.{outer}"


def load_folder(
    folder: Path, description: ModelDescription, options: LoadOptions, vae: AutoencoderKL | None
) -> AnyPipeline:
    """Load a folder.

    Args:
        folder: the folder.
        description: of it, without a problem.
        options: see there.
        vae: to use instead of the folder's own.

    Raises:
        UnsupportedModel: weights are missing, have no place, or cannot be read.
    """
    is_xl = description.family == "sdxl"
    kind = StableDiffusionXLPipeline if is_xl else StableDiffusionPipeline
    given: dict[str, Any] = _XL_GIVEN if is_xl else NO_CHECKER
    if vae is not None:
        given = given | {"vae": vae}
    try:
        pipeline: AnyPipeline = kind.from_pretrained(
            folder,
            dtype=options.dtype,
            variant=description.variant,
            use_safetensors=True,
            local_files_only=True,
            **given,
        )
    except Exception as error:  # the libraries raise many kinds for files that they cannot read
        raise UnsupportedModel(f"{folder} cannot be loaded: {error}") from error
    for part in (XL_PARTS if is_xl else PARTS).keys() - ({"vae"} if vae is not None else set()):
        header = read_part(folder / part, description.variant)
        check_complete(folder / part, header, getattr(pipeline, part))
    return pipeline
