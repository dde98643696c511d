"""What a model's folder may name: parts of known libraries, and weights that are safetensors.

A model's publisher writes its model_index.json and its lists of weight files. Neither may lead to
code that comes with the model, or to a pickle.
"""

import json
from pathlib import Path
from typing import Any

from baret.errors import UnsupportedModel

# diffusers calls its own module with the safety checker "stable_diffusion".
LIBRARIES = (None, "diffusers", "transformers", "stable_diffusion")
# Pipelines of the same parts.
CLASSES = (
    "StableDiffusionPipeline",
    "StableDiffusionImg2ImgPipeline",
    "LatentConsistencyModelPipeline",
    "LatentConsistencyModelImg2ImgPipeline",
)
XL_CLASS = "StableDiffusionXLPipeline"
_OTHERS = (
    ("InstructPix2Pix", "an InstructPix2Pix model with 8 input channels"),
    ("XLInpaint", "an inpainting model of Stable Diffusion XL"),
    ("Inpaint", "an inpainting model with 9 input channels"),
    ("UnCLIP", "an unCLIP model, which takes an image's embedding"),
    ("Depth2Img", "a depth-to-image model with 5 input channels"),
    ("Upscale", "an upscaler"),
    ("ImageVariation", "an image variation model, which takes no text"),
    ("ControlNet", "a model with a ControlNet"),
    ("StableDiffusionXLImg2Img", "the refiner of Stable Diffusion XL, or a variant of it"),
    ("StableDiffusionXL", "a variant of Stable Diffusion XL"),
    ("StableDiffusion3", "Stable Diffusion 3"),
    ("StableVideo", "a video model"),
    ("Flux", "FLUX"),
    ("PixArt", "PixArt"),
    ("Cascade", "Stable Cascade"),
)
ATTENTION = (None, "eager", "sdpa")  # PyTorch's own


def check_parts(folder: Path) -> None:
    """Refuse a diffusers folder that names what must not be opened.

    Raises:
        UnsupportedModel: it is not a diffusers folder, or leads to code or pickles.
    """
    index = read_json(folder / "model_index.json")
    name = index.get("_class_name")
    if name not in (*CLASSES, XL_CLASS):
        raise UnsupportedModel(_name_other(folder, str(name)))
    for part, value in index.items():
        if part.startswith("_") or isinstance(value, bool | int | float):
            continue
        if not isinstance(value, list) or len(value) != 2 or value[0] not in LIBRARIES:
            raise UnsupportedModel(
                f"{folder / 'model_index.json'} names {value!r} for {part!r}. Only parts of "
                "diffusers and transformers are loaded; a model's own code is never run."
            )
    for shard_index in folder.glob("*/*.index.json"):
        check_shards(shard_index)
    for config in folder.glob("*/config.json"):
        check_attention(config)


def check_attention(config: Path) -> None:
    """Refuse a part that names attention code to fetch: transformers takes kernels from a hub.

    Raises:
        UnsupportedModel: it does.
    """
    named = read_json(config).get("attn_implementation")
    if named not in ATTENTION:
        raise UnsupportedModel(
            f"{config} names {named!r} for its attention. Code is never fetched for a model; "
            f"remove `attn_implementation` from it."
        )


def _name_other(folder: Path, name: str) -> str:
    kind = next((kind for part, kind in _OTHERS if part.lower() in name.lower()), None)
    return (
        f"{folder} is {kind or 'not a Stable Diffusion 1.x, 2.x or XL'} by its model_index.json "
        f"({name[:80]}). Give a text-to-image model of Stable Diffusion 1.x, 2.x or XL."
    )


def check_shards(shard_index: Path) -> None:
    """Refuse a list of weight files that names anything but safetensors beside it.

    Raises:
        UnsupportedModel: the list names something else.
    """
    names = read_json(shard_index).get("weight_map", {})
    files = set(map(str, names.values())) if isinstance(names, dict) else {str(names)}
    for name in sorted(files):
        if Path(name).name != name or Path(name).suffix != ".safetensors":
            raise UnsupportedModel(
                f"{shard_index} names {name!r} for weights; only .safetensors files beside it are "
                "opened, pickles never."
            )


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object from a file.

    Raises:
        UnsupportedModel: there is none.
    """
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UnsupportedModel(
            f"{path} cannot be read as JSON; download the model again."
        ) from error
    if not isinstance(content, dict):
        raise UnsupportedModel(f"{path} is not a JSON object; download the model again.")
    return content
