"""A checkpoint in one .safetensors file, in the original layout."""

from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline
from transformers import CLIPTextModel

from baret.errors import UnsupportedModel
from baret.model.description import (
    LoadOptions,
    ModelDescription,
    channel_problem,
    describe_sampling,
    family_kind,
    native_latent_size,
)
from baret.model.header import Header, read_header
from baret.model.kinds import find_lone_part, find_other_kind
from baret.model.layout import (
    CLIP,
    CONFIGS,
    FAMILY_NAMES,
    FAMILY_OF_WIDTH,
    OPEN_CLIP,
    UNET,
    VAE,
    Family,
    Parts,
    text_config,
    unet_config,
    vae_config,
)
from baret.model.prediction import PredictionFinding, of_file
from baret.model.tokenizers import clip_tokenizer
from baret.model.weights import (
    WEIGHT_SCALES,
    make_clip,
    make_open_clip,
    make_unet,
    make_vae,
    read_averaged,
    read_weights,
)


def describe_file(path: Path, options: LoadOptions) -> ModelDescription:
    """Describe a file by its header.

    Raises:
        UnsupportedModel: it is not a readable .safetensors file, or says that it predicts
            something unknown.
    """
    header = read_header(path)
    if other := find_other_kind(header):
        problem = f"{path.name} is {other.name}. {other.advice}"
        return ModelDescription(path.name, other.name, problem)
    parts = Parts.of(header)
    family = parts.family
    missing = _missing(parts, options)
    if "UNet" in missing or len(missing) > 1:
        lone = find_lone_part(header)
        return ModelDescription(path.name, lone.name, f"{path.name} is {lone.name}. {lone.advice}")
    if family is None:
        return _unknown_width(path, parts)
    return _describe_family(path, header, parts, family, options)


def _describe_family(
    path: Path, header: Header, parts: Parts, family: Family, options: LoadOptions
) -> ModelDescription:
    prediction = of_file(path, header, family, options.prediction)
    cond = [name for name in parts.unet if "cond_proj" in name]
    evidence = "its guidance embedding (time_cond_proj, as LCMs have)" if cond else None
    distilled_by, notes = describe_sampling(options.sampling, evidence, path.stem, header)
    side = native_latent_size(None, 1024 if family == "sd2" else 768, prediction.type)
    text = parts.open_clip if family == "sd2" else parts.clip
    return ModelDescription(
        path.name,
        family_kind("a single file", family),
        problem=_find_problem(path, parts, family, options),
        prediction=prediction,
        native_size=side * 8,
        distilled_by=distilled_by,
        notes=(*_file_notes(header), *notes),
        parameters={
            "UNet": parts.unet.numel(),
            "VAE": parts.vae.numel(),
            "text encoder": text.numel(),
        },
        text_width=parts.cross_width,
    )


def _find_problem(path: Path, parts: Parts, family: Family, options: LoadOptions) -> str | None:
    """Return why a file with the parts of a family cannot be used."""
    if any(name.startswith("label_emb.") for name in parts.unet):
        return (
            f"{path.name} has a UNet that also takes a label or an image's embedding (label_emb), "
            "as unCLIP models do; give the text-to-image one."
        )
    first = parts.unet.shape("input_blocks.0.0.weight")
    if first and (problem := channel_problem(path.name, first[1])):
        return problem
    missing = _missing(parts, options)
    if missing == ("VAE",):
        return f"{path.name} has no VAE. Give one in BARET_VAE, a file or a folder."
    if missing:
        return (
            f"{path.name} has no {missing[0]}. Give the whole checkpoint: UNet, VAE and text "
            f"encoder of {FAMILY_NAMES[family]} in one file or folder."
        )
    return None


def _missing(parts: Parts, options: LoadOptions) -> tuple[str, ...]:
    return tuple(part for part in parts.missing if part != "VAE" or not options.vae)


def _unknown_width(path: Path, parts: Parts) -> ModelDescription:
    kind = FAMILY_OF_WIDTH.get(parts.cross_width or 0, "of an unknown family")
    problem = f"{path.name} is {kind}. Give a checkpoint of Stable Diffusion 1.x or 2.x."
    return ModelDescription(path.name, kind, problem)


def _file_notes(header: Header) -> tuple[str, ...]:
    notes = []
    if any(name.endswith(WEIGHT_SCALES) for name in header):
        notes.append("Its 8-bit weights have scales, which are applied.")
    if not header.part(UNET).tensors:
        notes.append("It has only averaged weights (EMA), which are used.")
    return tuple(notes)


def load_file(
    path: Path, description: ModelDescription, options: LoadOptions, vae: AutoencoderKL | None
) -> StableDiffusionPipeline:
    """Load a file.

    Args:
        path: the file.
        description: of it, without a problem.
        options: see there.
        vae: to use instead of the file's own.

    Raises:
        UnsupportedModel: weights are missing, have no place, or cannot be read.
    """
    header = read_header(path)
    parts = Parts.of(header)
    family, prediction = parts.family, description.prediction
    if family is None or prediction is None:
        raise UnsupportedModel(f"{path.name} cannot be loaded.")
    try:
        return StableDiffusionPipeline(
            vae=vae or load_vae_part(path, header, options.dtype),
            text_encoder=_load_text_encoder(path, parts, family, options.dtype),
            tokenizer=clip_tokenizer(pad="<|endoftext|>" if family == "sd1" else "!"),
            unet=_load_unet(path, header, family, prediction, options.dtype),
            scheduler=DDIMScheduler.from_pretrained(CONFIGS / family / "scheduler"),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
    except UnsupportedModel as error:
        raise UnsupportedModel(f"{path.name} cannot be loaded. {error}") from error
    except Exception as error:  # the libraries raise many kinds for files that they cannot read
        raise UnsupportedModel(f"{path.name} cannot be loaded: {error}") from error


def _load_unet(
    path: Path, header: Header, family: Family, prediction: PredictionFinding, dtype: torch.dtype
) -> object:
    # A guess may turn out wrong, and the native size with it; then it is the family's in the end.
    sample_size = None
    if prediction.weight != "guess":
        sample_size = native_latent_size(None, 1024 if family == "sd2" else 768, prediction.type)
    config = unet_config(Parts.of(header).unet, family, sample_size=sample_size)
    averaged = not header.part(UNET).tensors
    weights = read_averaged(path, header, dtype) if averaged else read_weights(path, UNET, dtype)
    return make_unet(weights, config)


def _load_text_encoder(
    path: Path, parts: Parts, family: Family, dtype: torch.dtype
) -> CLIPTextModel:
    config = text_config(parts, family)
    if family == "sd1":
        return make_clip(read_weights(path, CLIP, dtype), config)
    return make_open_clip(read_weights(path, OPEN_CLIP, dtype), config)


def load_vae_part(path: Path, header: Header, dtype: torch.dtype) -> AutoencoderKL:
    """Load the VAE of a file in the original layout; a VAE alone may have no prefix.

    Raises:
        UnsupportedModel: weights are missing or have no place.
    """
    prefix = next((p for p in (VAE, "vae.") if header.part(p).tensors), "")
    return make_vae(read_weights(path, prefix, dtype), vae_config(header.part(prefix)))
