"""Files that are not Stable Diffusion 1.x, 2.x or XL: what each is, and what to do with it.

A kind is recognised by the names of its tensors, as the public tools for it write them.
"""

import re
from typing import NamedTuple

from baret.model.header import Header
from baret.model.layout import SUPPORTED


class Kind(NamedTuple):
    """A kind of file that cannot be used as a model."""

    name: str  # with its article
    pattern: re.Pattern[str]  # found in the names of its tensors
    advice: str  # what to do


_GIVE_SD = f"Give a checkpoint of {SUPPORTED}."
_ADD_ON = "It changes or guides a model and is none itself; give the whole checkpoint it is for."
_GIVE_EMBEDDING = "Give it in BARET_EMBEDDINGS, and a checkpoint of its family as the model."
_GIVE_WHOLE = "Give the whole checkpoint: UNet, VAE and text encoder in one file or folder."


def _kind(name: str, pattern: str, advice: str) -> Kind:
    return Kind(name, re.compile(pattern), advice)


# The first that fits counts, so what is particular comes before what is general.
_BY_NAMES = (
    _kind(
        "a LoRA",
        r"^lora_(unet|te\d?|prior)_|[._]lora[._](A|B|up|down|linear_layer|magnitude)\b|lora_(up|down)"
        r"|\.hada_w\d|\.lokr_w\d|\.oft_(blocks|diag)|\.dora_scale",
        "Give it in BARET_LORA, and the checkpoint that it was made for as the model.",
    ),
    _kind("an IP-Adapter", r"^(image_proj|ip_adapter)\.", _ADD_ON),
    _kind(
        "a ControlNet",
        r"^(control_model\.|controlnet_|input_hint_block\.|zero_convs\.|lllite_)"
        r"|^control_(all_x_embedder|layers)\.",
        _ADD_ON,
    ),
    _kind("a T2I-Adapter", r"^(adapter\.)?body\.\d+\.(block|resnets|in_conv)", _ADD_ON),
    _kind("a motion module (AnimateDiff)", r"motion_modules\.|temporal_transformer\.", _ADD_ON),
    _kind(
        "a video model",
        r"\.time_stack\.|time_mixer|(^|\.)patchify_proj\.|^conditioner\.embedders\.0\.open_clip\.",
        _GIVE_SD,
    ),
    _kind("Stable Diffusion 3", r"(^|\.)joint_blocks\.", _GIVE_SD),
    _kind("Chroma", r"(^|\.)distilled_guidance_layer\.", _GIVE_SD),
    _kind(
        "FLUX",
        r"(^|\.)(double_blocks\.\d+\.img_|double_stream_modulation_img|single_stream_mod)",
        _GIVE_SD,
    ),
    _kind("AuraFlow", r"(^|\.)double_layers\.\d+\.attn\.w", _GIVE_SD),
    _kind("PixArt", r"(^|\.)(adaln_single\.|t_block\.1\.|scale_shift_table$)", _GIVE_SD),
    _kind("Stable Cascade", r"(^|\.)clip_txt(_pooled)?_mapper\.", _GIVE_SD),
    _kind(
        "another diffusion transformer",
        r"(^|\.)(x_embedder|t_embedder|cap_embedder|patch_embed(ding)?|txt_in|img_in)\.",
        _GIVE_SD,
    ),
    _kind("the refiner of Stable Diffusion XL", r"^conditioner\.embedders\.0\.model\.", _GIVE_SD),
    _kind(
        "a model trained in EDM's form, as Playground 2.5 and CosXL are",
        r"^(edm_mean|edm_std|edm_vpred\.sigma_(min|max))$",
        _GIVE_SD,
    ),
    _kind(
        "an unCLIP model, which takes an image's embedding",
        r"^(noise_augmentor|embedder\.model\.visual)\b",
        "Give the text-to-image one.",
    ),
    _kind("a safety checker", r"^(special_care_embeds|concept_embeds)$", _GIVE_WHOLE),
)
_ALONE = (
    _kind(
        "a UNet alone",
        r"^(model\.diffusion_model\.|input_blocks\.|down_blocks\.\d+\.resnets\.)",
        _GIVE_WHOLE,
    ),
    _kind(
        "a VAE alone",
        r"^(first_stage_model\.|vae\.|encoder\.(down|mid|conv)|decoder\.(up|mid|conv)|taesd_)",
        f"Give it in BARET_VAE, and a checkpoint of {SUPPORTED} as the model.",
    ),
    _kind("an image encoder alone", r"^(vision_model|visual)\.", _GIVE_WHOLE),
    _kind(
        "a text encoder alone",
        r"^(text_model|transformer|text_encoder|cond_stage_model|conditioner|encoder\.block)\.",
        _GIVE_WHOLE,
    ),
    _kind("an upscaler", r"^(model\.0\.|conv_first\.|RRDB_trunk\.|body\.0\.)", _GIVE_SD),
)
_EMBEDDING_NAMES = {"emb_params", "clip_l", "clip_g", "string_to_param.*"}
_MAX_EMBEDDING_TENSORS = 2  # of SDXL, one for each text encoder
_TEXT_WIDTHS = (768, 1024, 1280)


def find_other_kind(header: Header) -> Kind | None:
    """Return the kind that a file is by names that no Stable Diffusion 1.x, 2.x or XL has."""
    if _is_embedding(header):
        return Kind("a textual inversion embedding", re.compile(""), _GIVE_EMBEDDING)
    return _first(header, _BY_NAMES)


def find_lone_part(header: Header) -> Kind:
    """Return what a file without a whole model holds."""
    found = _first(header, _ALONE)
    if found is not None:
        return found
    first = ", ".join(sorted(header)[:3]) or "none"
    return Kind(f"of no known kind (its first tensors: {first})", re.compile(""), _GIVE_SD)


def _first(header: Header, kinds: tuple[Kind, ...]) -> Kind | None:
    return next((kind for kind in kinds if any(map(kind.pattern.search, header))), None)


def _is_embedding(header: Header) -> bool:
    if not 0 < len(header.tensors) <= _MAX_EMBEDDING_TENSORS:
        return False
    if set(header) <= _EMBEDDING_NAMES:
        return True
    infos = list(header.tensors.values())
    return len(infos) == 1 and len(infos[0].shape) in (1, 2) and infos[0].shape[-1] in _TEXT_WIDTHS
