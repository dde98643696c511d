"""LoRA files, which are fused into a model's weights when it is loaded (`BARET_LORA`).

r rank · i inputs · o outputs of a layer; for convolutions, i counts the kernel too.

Names in a file are kohya's or diffusers'. diffusers renames them to those of its own modules; then
each must be that of a layer of the model, or the file is refused.
"""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline
from diffusers.utils import convert_state_dict_to_peft, convert_unet_state_dict_to_peft
from diffusers.utils.state_dict_utils import StateDictType
from safetensors.torch import load_file
from torch import Tensor, nn

from baret.errors import UnsupportedModel
from baret.model.description import ModelDescription
from baret.model.header import Header, read_header
from baret.model.kinds import find_lone_part, find_other_kind
from baret.model.layout import FAMILY_NAMES, FAMILY_OF_WIDTH
from baret.model.text_encoders import AnyPipeline
from baret.model.weights import Weights, name_some

LORA = "a LoRA"  # as `kinds` calls it
# Other ways to change weights, under names that resemble a LoRA's.
_OTHER_WAYS = (
    ("a DoRA", r"\.dora_scale$|lora_magnitude_vector"),
    ("a LoHa", r"\.hada_[tw]\d"),
    ("a LoKr", r"\.lokr_[tw]\d"),
    ("an OFT", r"\.oft_(blocks|diag|R)"),
    ("a LoRA with a Tucker decomposition", r"\.lora_mid\."),
    ("a LoRA with whole differences", r"\.diff(_b)?$"),
)
# Names that only LoRAs of Stable Diffusion XL have; of the UNet's, they are the original code's.
_XL = re.compile(
    r"^(lora_te[12]_|text_encoder_2\.|lora_unet_(input_blocks|middle_block|output_blocks)_)"
)
_DOWN = re.compile(r"(down|lora_A)(\.default)?\.weight$")
# Layers that read texts, and layers of a text encoder: they tell the texts' width.
_READS_TEXT = re.compile(r"attn2.*to_k")
_IN_ENCODER = re.compile(r"(text_model|text_encoder).*q_proj")
_RENAMED = re.compile(
    r"(?P<part>unet|text_encoder(?:_2)?)\.(?:base_model\.model\.)?(?:text_model\.)?(?P<layer>.+)"
    r"\.lora_(?P<side>[AB])(?:\.default)?\.weight"
)
# The layers of a UNet, in files that have nothing else, may lack the prefix.
_BARE_UNET = re.compile(r"^(down_blocks|mid_block|up_blocks)\.")
_UPS = (".lora_up.weight", ".lora.up.weight", "_lora.up.weight", ".lora_B.weight")


@dataclass(frozen=True)
class LoraFile:
    """A file, and how much of its change is added."""

    path: Path
    scale: float = 1.0

    @property
    def name(self) -> str:
        """The file's name, for messages."""
        return self.path.name


def parse_loras(setting: str) -> tuple[LoraFile, ...]:
    """Return the files of a setting such as `/models/style.safetensors:0.8,/models/b.safetensors`.

    Raises:
        UnsupportedModel: a scale is infinite or not a number.
    """
    return tuple(_parse_one(part.strip()) for part in setting.split(",") if part.strip())


def _parse_one(text: str) -> LoraFile:
    path, _, scale = text.rpartition(":")
    try:
        number = float(scale)
    except ValueError:  # the colon, if any, belongs to the path
        return LoraFile(Path(text))
    if not path or not math.isfinite(number):
        raise UnsupportedModel(f"BARET_LORA: {text!r} is not a path and a finite scale.")
    return LoraFile(Path(path), number)


def describe_lora(file: LoraFile, model: ModelDescription) -> str:
    """Describe a LoRA by its header.

    Args:
        file: the file.
        model: that it is for.

    Returns:
        A line for people.

    Raises:
        UnsupportedModel: it is not a LoRA that can be fused into this model.
    """
    header = _read(file.path)
    _refuse_other_kinds(file.name, header)
    family = _find_other_family(header, model)
    if family is not None:
        raise _refused(
            file.name,
            f"is a LoRA for {family}, and the model is {model.kind}, whose texts are "
            f"{model.text_width} wide. Give a LoRA that was made for the model's family.",
        )
    ranks = sorted({info.shape[0] for n, info in header.tensors.items() if _DOWN.search(n)})
    layers = sum(_DOWN.search(name) is not None for name in header)
    return f"LoRA {file.name} at {file.scale:g} ({layers} layers, rank {_span(ranks)})"


def _span(ranks: list[int]) -> str:
    return str(ranks[0]) if len(ranks) == 1 else f"{ranks[0]} to {ranks[-1]}"


def _read(path: Path) -> Header:
    if path.suffix != ".safetensors" or not path.is_file():
        raise UnsupportedModel(f"BARET_LORA: {path} is not a .safetensors file.")
    try:
        return read_header(path)
    except UnsupportedModel as error:
        raise UnsupportedModel(f"BARET_LORA: {error}") from error


def _refuse_other_kinds(name: str, header: Header) -> None:
    for way, pattern in _OTHER_WAYS:
        if any(re.search(pattern, one) for one in header):
            raise _refused(
                name, f"is {way}, which cannot be fused here. Merge it into the checkpoint."
            )
    kind = find_other_kind(header) or find_lone_part(header)
    if kind.name != LORA or not any(map(_DOWN.search, header)):
        said = kind.name if kind.name != LORA else "a LoRA of no known kind"
        raise _refused(name, f"is {said}. Give a LoRA in kohya's or diffusers' layout.")


def _find_other_family(header: Header, model: ModelDescription) -> str | None:
    """Return the family that a LoRA is for, if it is not the model's."""
    if model.family != "sdxl" and any(map(_XL.search, header)):
        return FAMILY_NAMES["sdxl"]
    own = {model.text_width}
    theirs = _width(header, _READS_TEXT)
    if theirs is None:
        own, theirs = {*model.encoder_widths}, _width(header, _IN_ENCODER)
    if theirs is None or theirs in own or None in own or not own:
        return None
    return FAMILY_OF_WIDTH.get(theirs, f"texts that are {theirs} wide")


def _width(header: Header, layers: re.Pattern[str]) -> int | None:
    wide = (n for n in header if layers.search(n) and _DOWN.search(n))
    return next((header.tensors[name].shape[1] for name in wide), None)


class _Change(NamedTuple):
    """What is added to one layer's weight: scale · up @ down."""

    down: Tensor  # [r, i]
    up: Tensor  # [o, r]
    scale: float


def fuse_lora(pipeline: AnyPipeline, file: LoraFile) -> None:
    """Add a LoRA to a pipeline's weights.

    Raises:
        UnsupportedModel: a weight of the file has no place in the model, or is not finite.
    """
    layers = _layers(pipeline)
    changes = _read_changes(file, pipeline)
    if lost := sorted(changes.keys() - layers.keys()):
        raise _refused(
            file.name, f"changes layers that the model does not have: {name_some(lost)}. {_GIVE}"
        )
    for name, change in changes.items():
        _add(layers[name], change, file, name)


_GIVE = "Give a LoRA that was made for the model's family."


def _layers(pipeline: AnyPipeline) -> dict[str, nn.Linear | nn.Conv2d]:
    """Return the layers that a LoRA may change, by part and name."""
    return {
        f"{part}.{name.removeprefix('text_model.')}": module
        for part in ("unet", "text_encoder", "text_encoder_2")
        if hasattr(pipeline, part)
        for name, module in getattr(pipeline, part).named_modules()
        if isinstance(module, nn.Linear | nn.Conv2d)
    }


def _read_changes(file: LoraFile, pipeline: AnyPipeline) -> dict[str, _Change]:
    """Return the changes by part and layer.

    Raises:
        UnsupportedModel: a weight has a name of no known layout, or lacks its other half.
    """
    found: dict[str, dict[str, Tensor]] = {}
    unknown = []
    for name, tensor in _rename(file.name, load_file(file.path), pipeline).items():
        match = _RENAMED.fullmatch(name)
        if match is None:
            unknown.append(name)
            continue
        found.setdefault(f"{match['part']}.{match['layer']}", {})[match["side"]] = tensor
    if unknown:
        raise _refused(
            file.name, f"has weights that are not understood: {name_some(unknown)}. {_GIVE}"
        )
    if halves := [name for name, sides in found.items() if len(sides) < 2]:
        raise _refused(
            file.name, f"lacks one of two weights of {name_some(halves)}. Download it again."
        )
    try:
        scales = _Scales.of(read_header(file.path))
        return {
            name: _Change(a.flatten(1), b.flatten(1), scales.find(name, len(a)))
            for name, a, b in ((name, sides["A"], sides["B"]) for name, sides in found.items())
        }
    except (ValueError, TypeError, AttributeError) as error:  # of metadata in another form
        raise _refused(file.name, "has damaged metadata. Download it again.") from error


def _rename(name: str, raw: Weights, pipeline: AnyPipeline) -> Weights:
    """Return the weights under names such as `unet.….to_q.lora_A.weight`, alphas applied."""
    weights = _apply_alphas(name, {n: tensor.float() for n, tensor in raw.items()})
    try:
        renamed = _lora_state_dict(pipeline, weights)
    except (KeyError, ValueError, IndexError) as error:  # of names that diffusers cannot follow
        raise _refused(
            name, f"has weights that are not understood ({str(error)[:200]}). {_GIVE}"
        ) from error
    prefixed = {f"unet.{n}" if _BARE_UNET.search(n) else n: t for n, t in renamed.items()}
    texts = {n: t for n, t in prefixed.items() if n.startswith("text_encoder")}
    others = {n: t for n, t in prefixed.items() if n not in texts}
    in_texts = convert_state_dict_to_peft(texts, original_type=StateDictType.DIFFUSERS_OLD)
    return {**convert_unet_state_dict_to_peft(others), **in_texts}


def _lora_state_dict(pipeline: AnyPipeline, weights: Weights) -> Weights:
    kind = (
        StableDiffusionXLPipeline
        if isinstance(pipeline, StableDiffusionXLPipeline)
        else StableDiffusionPipeline
    )
    renamed: Weights = kind.lora_state_dict(weights, unet_config=pipeline.unet.config)[0]
    return renamed


def _apply_alphas(name: str, weights: Weights) -> Weights:
    """Return the weights without α: the change is α / r · up @ down, and r where α is missing."""
    plain = {n: tensor for n, tensor in weights.items() if not n.endswith(".alpha")}
    for key in weights.keys() - plain.keys():
        layer = key.removesuffix(".alpha")
        up = next((layer + ending for ending in _UPS if layer + ending in plain), None)
        if up is None:
            raise _refused(name, f"has {key}, and no weights for it. Download it again.")
        plain[up] = plain[up] * (weights[key] / plain[up].shape[1])
    return plain


class _Scales(NamedTuple):
    """α and its rules as newer versions of diffusers write them into a file's metadata."""

    said: Mapping[str, Any]

    @classmethod
    def of(cls, header: Header) -> "_Scales":
        said = json.loads(header.metadata.get("lora_adapter_metadata", "{}"))
        return cls(said if isinstance(said, dict) else {})

    def find(self, name: str, rank: int) -> float:
        """Return what a layer's product is multiplied by; without metadata 1."""
        part, _, layer = name.partition(".")
        alpha = self.said.get(f"{part}.lora_alpha", rank)
        for pattern, own in (self.said.get(f"{part}.alpha_pattern") or {}).items():
            if f".{layer}".endswith(f".{pattern.removeprefix('^')}"):
                alpha = own
        root = self.said.get(f"{part}.use_rslora")
        return float(alpha) / (math.sqrt(rank) if root else rank)


def _add(layer: nn.Linear | nn.Conv2d, change: _Change, file: LoraFile, name: str) -> None:
    weight = layer.weight
    outputs, inputs = len(weight), weight[0].numel()
    if (change.up.shape[0], change.down.shape[1]) != (outputs, inputs):
        raise _refused(file.name, f"has another shape than the model for {name}. {_GIVE}")
    product = change.up @ change.down
    changed = weight.float() + file.scale * change.scale * product.view(weight.shape)
    if not torch.isfinite(changed).all():
        raise _refused(file.name, f"makes {name} infinite or NaN. Download it again.")
    layer.weight = nn.Parameter(changed.to(weight.dtype), requires_grad=False)


def _refused(name: str, problem: str) -> UnsupportedModel:
    return UnsupportedModel(f"BARET_LORA: {name} {problem}")
