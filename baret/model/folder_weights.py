"""The weights of a diffusers folder: in which files they are, and whether all find a place."""

import re
from collections.abc import Iterable
from pathlib import Path

import torch
from torch import nn

from baret.errors import UnsupportedModel
from baret.model.header import Header, join_headers, read_header
from baret.model.weights import name_some

_WEIGHTS = re.compile(
    r"(?:diffusion_pytorch_model|pytorch_model|model)"
    r"(?:\.(?P<variant>\w+))?(?:-\d{5}-of-\d{5})?\.safetensors"
)
# What to take for a dtype, first choice first; None are the names without a variant.
_VARIANTS: dict[torch.dtype, tuple[str | None, ...]] = {
    torch.float16: ("fp16", None),
    torch.bfloat16: ("bf16", None, "fp16"),
    torch.float32: (None, "fp32", "bf16", "fp16"),
}


def choose_variant(paths: Iterable[str], dtype: torch.dtype, *, part: str = "unet") -> str | None:
    """Return the variant of the weights' names that fits the dtype; None if there is no variant.

    Args:
        paths: of a folder's files, such as unet/diffusion_pytorch_model.fp16.safetensors.
        dtype: to load as.
        part: whose names count.
    """
    found = [re.fullmatch(rf"{part}/{_WEIGHTS.pattern}", path) for path in paths]
    variants = {match["variant"] for match in found if match}
    preferred = [one for one in _VARIANTS[dtype] if one in variants]
    others = sorted(one for one in variants if one)
    return next(iter([*preferred, *others]), None)


def read_part(part: Path, variant: str | None) -> Header:
    """Read the headers of a part's weights: of the variant or, if it has none, without.

    Raises:
        UnsupportedModel: a file is not readable.
    """
    found = {path: m for path in part.glob("*.safetensors") if (m := _WEIGHTS.fullmatch(path.name))}
    variants = {match["variant"] for match in found.values()}
    wanted = variant if variant in variants else None
    return join_headers(
        read_header(path) for path, match in sorted(found.items()) if match["variant"] == wanted
    )


def check_complete(part: Path, header: Header, module: nn.Module) -> None:
    """Check that every weight has found its place, and that none was made up.

    transformers fills in random numbers for what is missing, and both libraries pass over what
    they do not know.

    Raises:
        UnsupportedModel: weights are missing or have no place.
    """
    stored = {_plain_name(name) for name in header} - {""}
    placed = {_plain_name(name) for name in module.state_dict()} - {""}
    unused = {name for name in stored - placed if name.endswith(_UNUSED)}
    if missing := sorted(placed - stored):
        raise UnsupportedModel(f"{part} lacks {name_some(missing)}. Download the model again.")
    if dropped := sorted(stored - placed - unused):
        raise UnsupportedModel(f"{part} has weights without a place: {name_some(dropped)}.")


# Weights that only some of the classes read.
_UNUSED = ("text_projection.weight",)
# Earlier spellings of the libraries' own, which they still read.
_EARLIER = (
    ("query.", "to_q."),
    ("key.", "to_k."),
    ("value.", "to_v."),
    ("proj_attn.", "to_out.0."),
)


def _plain_name(name: str) -> str:
    """Return a weight's name as today's libraries spell it; empty if they do without it."""
    if name.endswith(("position_ids", "logit_scale")):
        return ""
    for earlier, now in _EARLIER:
        if f".attentions.0.{earlier}" in name:
            name = name.replace(earlier, now)
    return name.removeprefix("text_model.")
