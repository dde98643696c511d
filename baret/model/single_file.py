"""A checkpoint in one .safetensors file, in the original layout."""

from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
)

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
    SIZE_IDS,
    SUPPORTED,
    UNET,
    VAE,
    XL_CLIP,
    XL_OPEN_CLIP,
    Family,
    Parts,
    count_size_ids,
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
    make_projected_open_clip,
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
    side = native_latent_size(None, family, prediction.type)
    sizes = {"UNet": parts.unet, "VAE": parts.vae, **parts.text_parts}
    return ModelDescription(
        path.name,
        family_kind("a single file", family),
        family=family,
        problem=_find_problem(path, parts, family, options),
        prediction=prediction,
        native_size=side * 8,
        distilled_by=distilled_by,
        notes=(*_file_notes(header), *notes),
        parameters={name: part.numel() for name, part in sizes.items()},
        text_width=parts.cross_width,
        encoder_widths=parts.encoder_widths,
    )


def _find_problem(path: Path, parts: Parts, family: Family, options: LoadOptions) -> str | None:
    """Return why a file with the parts of a family cannot be used."""
    if family != "sdxl" and any(name.startswith("label_emb.") for name in parts.unet):
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
        texts = "both text encoders" if family == "sdxl" else "text encoder"
        return (
            f"{path.name} has no {missing[0]}. Give the whole checkpoint: UNet, VAE and {texts} "
            f"of {FAMILY_NAMES[family]} in one file or folder."
        )
    return _find_size_problem(path, parts) if family == "sdxl" else None


def _find_size_problem(path: Path, parts: Parts) -> str | None:
    """Return why a UNet takes other added conditions than those of Stable Diffusion XL."""
    labels = parts.unet.shape("label_emb.0.0.weight") or (0, 0)
    pooled = parts.open_clip.shape("text_projection") or (0, 0)
    count = count_size_ids({"projection_class_embeddings_input_dim": labels[1]}, pooled[1])
    if count == SIZE_IDS:
        return None
    return (
        f"{path.name} has a UNet that takes other conditions than Stable Diffusion XL's (label_emb "
        f"is {labels[1]} wide). Give the base model; the refiner is not one."
    )


def _missing(parts: Parts, options: LoadOptions) -> tuple[str, ...]:
    return tuple(part for part in parts.missing if part != "VAE" or not options.vae)


def _unknown_width(path: Path, parts: Parts) -> ModelDescription:
    kind = FAMILY_OF_WIDTH.get(parts.cross_width or 0, "of an unknown family")
    problem = f"{path.name} is {kind}. Give a checkpoint of {SUPPORTED}."
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
) -> StableDiffusionPipeline | StableDiffusionXLPipeline:
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
        loaded = {
            "vae": vae or load_vae_part(path, header, options.dtype, family),
            "unet": _load_unet(path, header, family, prediction, options.dtype),
            "scheduler": DDIMScheduler.from_pretrained(CONFIGS / family / "scheduler"),
            **_load_texts(path, parts, family, options.dtype),
        }
        if family == "sdxl":
            return StableDiffusionXLPipeline(**loaded, add_watermarker=False)
        return StableDiffusionPipeline(
            **loaded, safety_checker=None, feature_extractor=None, requires_safety_checker=False
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
        sample_size = native_latent_size(None, family, prediction.type)
    config = unet_config(Parts.of(header).unet, family, sample_size=sample_size)
    averaged = not header.part(UNET).tensors
    weights = read_averaged(path, header, dtype) if averaged else read_weights(path, UNET, dtype)
    return make_unet(weights, config)


def _load_texts(path: Path, parts: Parts, family: Family, dtype: torch.dtype) -> dict[str, Any]:
    """Load tokenizers and text encoders, by the names that pipelines give them."""
    config = text_config(parts, family)
    if family == "sd2":
        encoder = make_open_clip(read_weights(path, OPEN_CLIP, dtype), config)
        return {"tokenizer": clip_tokenizer(pad="!"), "text_encoder": encoder}
    prefix = XL_CLIP if family == "sdxl" else CLIP
    first = {
        "tokenizer": clip_tokenizer(pad="<|endoftext|>"),
        "text_encoder": make_clip(read_weights(path, prefix, dtype), config),
    }
    if family == "sd1":
        return first
    second = text_config(parts, family, "text_encoder_2")
    return first | {
        "tokenizer_2": clip_tokenizer(pad="!"),
        "text_encoder_2": make_projected_open_clip(read_weights(path, XL_OPEN_CLIP, dtype), second),
    }


def load_vae_part(path: Path, header: Header, dtype: torch.dtype, family: Family) -> AutoencoderKL:
    """Load the VAE of a file in the original layout; a VAE alone may have no prefix.

    The family is that of the model: it gives the scale of the latents.

    Raises:
        UnsupportedModel: weights are missing or have no place.
    """
    prefix = next((p for p in (VAE, "vae.") if header.part(p).tensors), "")
    return make_vae(read_weights(path, prefix, dtype), vae_config(header.part(prefix), family))
