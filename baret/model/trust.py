"""What a model's folder may name: parts of known libraries, and weights that are safetensors.

Whoever publishes a model writes its model_index.json and its lists of weight files. Neither may
lead to code that comes with the model, or to a pickle.
"""

import json
from pathlib import Path
from typing import Any

from baret.errors import UnsupportedModel

# "stable_diffusion" is how diffusers calls its own folder with the safety checker.
LIBRARIES = (None, "diffusers", "transformers", "stable_diffusion")
CLASS = "StableDiffusionPipeline"


def check_parts(folder: Path) -> None:
    """Refuse a diffusers folder that names what must not be opened.

    Raises:
        UnsupportedModel: it is no such folder, or leads to code or to pickles.
    """
    index = _read(folder / "model_index.json")
    if index.get("_class_name") != CLASS:
        raise UnsupportedModel(f"{folder} is no {CLASS} by its model_index.json.")
    for part, named in index.items():
        if part.startswith("_") or isinstance(named, bool | int | float):
            continue
        if not isinstance(named, list) or len(named) != 2 or named[0] not in LIBRARIES:
            raise UnsupportedModel(
                f"{folder / 'model_index.json'} names {named!r} for {part!r}. Only parts of "
                "diffusers and transformers are loaded; a model's own code is never run."
            )
    for shards in folder.glob("*/*.index.json"):
        check_shards(shards)


def check_shards(listed: Path) -> None:
    """Refuse a list of weight files that names others than safetensors beside it.

    Raises:
        UnsupportedModel: it does.
    """
    names = _read(listed).get("weight_map", {})
    files = set(map(str, names.values())) if isinstance(names, dict) else {str(names)}
    for name in sorted(files):
        if Path(name).name != name or Path(name).suffix != ".safetensors":
            raise UnsupportedModel(
                f"{listed} names {name!r} for weights; only .safetensors beside it are opened, "
                "pickles never."
            )


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UnsupportedModel(f"{path} cannot be read as JSON; fetch the model again.") from error
    if not isinstance(found, dict):
        raise UnsupportedModel(f"{path} is no JSON object; fetch the model again.")
    return found
