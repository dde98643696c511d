"""Finding weights: a bundled model, a diffusers folder, a single file or a hub id.

Only safetensors are opened. A pickle can run code when it is opened.
"""

import re
from pathlib import Path
from typing import Any

import torch
from diffusers import StableDiffusionPipeline
from diffusers.utils import logging as diffusers_logging
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled
from safetensors import safe_open
from transformers import CLIPTokenizer
from transformers.utils import logging as transformers_logging

from baret.errors import ModelError, ModelNotFound, UnsupportedModel
from baret.model.trust import check_parts

BUNDLED = Path(__file__).parents[1] / "models"
CONFIGS = Path(__file__).parents[1] / "configs"

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
_PICKLES = {".ckpt", ".pt", ".pth", ".bin", ".pkl"}
_NO_CHECKER: dict[str, Any] = {
    "safety_checker": None,
    "feature_extractor": None,
    "requires_safety_checker": False,
}

# Progress bars do not belong in a service's log.
diffusers_logging.disable_progress_bar()
transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]


def load_pipeline(
    name_or_path: str, dtype: torch.dtype, prediction_type: str | None
) -> tuple[StableDiffusionPipeline, Path | None]:
    """Load the parts of a Stable Diffusion.

    Args:
        name_or_path: bundled name, diffusers folder, `.safetensors` file or hub id.
        dtype: of the weights.
        prediction_type: "epsilon" or "v_prediction", which a single file of SD 2.x does not say;
            None takes what the configuration says.

    Returns:
        The pipeline, and the folder that it came from, if any.

    Raises:
        ModelNotFound: there is no such model, or its hub cannot be reached.
        UnsupportedModel: it is not safetensors, or not a Stable Diffusion 1.x or 2.x.
    """
    bundled = BUNDLED / name_or_path
    path = (
        bundled if bundled.is_dir() and re.fullmatch(r"\w+", name_or_path) else Path(name_or_path)
    )
    if path.suffix in _PICKLES:
        raise UnsupportedModel(
            f"{path.name} is a pickle, which can run code when opened. "
            "If you trust it, convert it to .safetensors and give that file."
        )
    if path.is_dir():
        return _load_folder(path, dtype), path
    if path.is_file():
        return _load_file(path, dtype, prediction_type), None
    if _HUB_ID.fullmatch(name_or_path):
        return _load_from_hub(name_or_path, dtype), None
    known = ", ".join(sorted(p.name for p in BUNDLED.iterdir() if p.is_dir()))
    raise ModelNotFound(
        f"There is no model {name_or_path!r}. Give a bundled name ({known}), a diffusers folder, "
        "a .safetensors file, or a hub id such as stable-diffusion-v1-5/stable-diffusion-v1-5."
    )


def _load_folder(folder: Path, dtype: torch.dtype) -> StableDiffusionPipeline:
    if not (folder / "model_index.json").is_file():
        raise UnsupportedModel(
            f"{folder} has no model_index.json, so it is not a diffusers folder."
        )
    for part in ("unet", "vae", "text_encoder"):
        if not list((folder / part).glob("*.safetensors")):
            raise UnsupportedModel(
                f"{folder / part} has no .safetensors weights; pickles are not opened."
            )
    check_parts(folder)
    try:
        return StableDiffusionPipeline.from_pretrained(
            folder, dtype=dtype, use_safetensors=True, local_files_only=True, **_NO_CHECKER
        )
    except Exception as error:  # the libraries raise many kinds for files that they cannot read
        raise UnsupportedModel(f"{folder} cannot be loaded: {error}") from error


def read_known_words(folder: Path) -> frozenset[str]:
    """Read every word that a model was trained with.

    A model with a small vocabulary lists them in `words.txt` beside model_index.json, one a line.
    Without this file the set is empty.

    Raises:
        UnsupportedModel: the file is not UTF-8 text.
    """
    path = folder / "words.txt"
    try:
        lines = path.read_text("utf-8").splitlines() if path.is_file() else []
    except UnicodeDecodeError as error:
        raise UnsupportedModel(f"{path} is not UTF-8 text.") from error
    return frozenset(line.strip().lower() for line in lines) - {""}


def _load_file(
    path: Path, dtype: torch.dtype, prediction_type: str | None
) -> StableDiffusionPipeline:
    if path.suffix != ".safetensors":
        raise UnsupportedModel(f"{path.name} is not a .safetensors file.")
    family = _family(path)
    if family == "sd2" and prediction_type == "epsilon":
        family = "sd2-base"
    try:
        return StableDiffusionPipeline.from_single_file(
            str(path),
            config=str(CONFIGS / family),
            tokenizer=clip_tokenizer(pad="<|endoftext|>" if family == "sd1" else "!"),
            dtype=dtype,
            local_files_only=True,
            **_NO_CHECKER,
        )
    except Exception as error:  # as in _load_folder
        raise UnsupportedModel(f"{path.name} cannot be loaded: {error}") from error


def _family(path: Path) -> str:
    """Tell sd1 from sd2 by the text width that the UNet's cross-attention expects."""
    probe = "model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight"
    try:
        with safe_open(path, framework="pt") as file:
            width = file.get_slice(probe).get_shape()[1] if probe in set(file.keys()) else None
    except Exception as error:  # safetensors does not export its error class
        raise UnsupportedModel(f"{path.name} is not a readable safetensors file.") from error
    family = {768: "sd1", 1024: "sd2"}.get(width or 0)
    if family is None:
        raise UnsupportedModel(
            f"{path.name} is not a whole Stable Diffusion 1.x or 2.x in its original layout."
        )
    return family


def _load_from_hub(hub_id: str, dtype: torch.dtype) -> StableDiffusionPipeline:
    try:
        # Without the safety checker, which is downloaded only if it is used.
        folder = StableDiffusionPipeline.download(hub_id, use_safetensors=True, **_NO_CHECKER)
    except (
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        ConnectionError,
        HfHubHTTPError,
    ) as error:
        raise _unreachable(hub_id) from error
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        if "safetensors" in str(error):
            raise UnsupportedModel(f"{hub_id} has no safetensors weights.") from error
        raise _unreachable(hub_id) from error
    return _load_folder(Path(folder), dtype)


def _unreachable(hub_id: str) -> ModelError:
    return ModelNotFound(
        f"{hub_id} is not in the local cache, and the model hub cannot be reached or does not have "
        "it. Give a folder or a .safetensors file (BARET_MODEL=/path), or copy the hub cache here "
        "and set HF_HOME, or set HF_ENDPOINT to a mirror, or HF_TOKEN for a gated model."
    )


def clip_tokenizer(*, pad: str) -> CLIPTokenizer:
    """Build the tokenizer of Stable Diffusion 1.x or 2.x, which differ in their padding.

    The vocabulary follows from CLIP's merges: every byte, every byte that ends a word, every
    merge, and the start and end tokens (github.com/openai/CLIP, simple_tokenizer.py).
    """
    merges = (CONFIGS / "clip_merges.txt").read_text("utf-8").splitlines()[1:]
    pairs = [tuple(line.split()) for line in merges]
    alphabet = _bytes_as_letters()
    tokens = [*alphabet, *(letter + "</w>" for letter in alphabet), *map("".join, pairs)]
    vocabulary = {token: i for i, token in enumerate([*tokens, "<|startoftext|>", "<|endoftext|>"])}
    # Annotated as strings, but the tokenizers library only takes pairs.
    merge_pairs: Any = pairs
    return CLIPTokenizer(vocab=vocabulary, merges=merge_pairs, pad_token=pad, model_max_length=77)


def _bytes_as_letters() -> list[str]:
    """Return a printable letter for every byte, in GPT-2's order."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1)]
    printable += range(ord("®"), ord("ÿ") + 1)
    others = [byte for byte in range(256) if byte not in printable]
    return [chr(byte) for byte in printable] + [chr(256 + i) for i in range(len(others))]
