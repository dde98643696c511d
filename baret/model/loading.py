"""Finding weights: a bundled model, a diffusers folder, a single file or a hub id.

Only safetensors are opened. A pickle can run code when it is opened.
"""

import re
from dataclasses import dataclass, replace
from pathlib import Path

from diffusers import DDIMScheduler, StableDiffusionPipeline
from diffusers.utils import logging as diffusers_logging
from huggingface_hub import model_info
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled
from transformers.utils import logging as transformers_logging

from baret.errors import ModelError, ModelNotFound, UnsupportedModel
from baret.model.description import LoadOptions, ModelDescription, describe_sampling
from baret.model.embeddings import (
    add_embedding,
    describe_embedding,
    parse_embeddings,
    read_embedding,
)
from baret.model.folder_weights import choose_variant
from baret.model.folders import NO_CHECKER, describe_folder, load_folder
from baret.model.identity import fingerprint_of
from baret.model.lora import describe_lora, fuse_lora, parse_loras
from baret.model.outer_vae import load_outer_vae
from baret.model.single_file import describe_file, load_file
from baret.model.text_encoders import AnyPipeline
from baret.model.windows import MAX_WINDOWS

BUNDLED = Path(__file__).parents[1] / "models"

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
_PICKLES = {".ckpt", ".pt", ".pth", ".bin", ".pkl"}
_UNREACHABLE = (LocalEntryNotFoundError, OfflineModeIsEnabled, ConnectionError, HfHubHTTPError)

# Progress bars do not belong in a service's log.
diffusers_logging.disable_progress_bar()
transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]


@dataclass(frozen=True)
class LoadedModel:
    """The parts of a model, and what it is."""

    pipeline: AnyPipeline  # its scheduler says what the UNet predicts
    folder: Path | None  # that it came from, if any
    description: ModelDescription


def load_pipeline(name_or_path: str, options: LoadOptions) -> LoadedModel:
    """Load the parts of a Stable Diffusion.

    Args:
        name_or_path: bundled name, diffusers folder, `.safetensors` file or hub id.
        options: how.

    Raises:
        ModelNotFound: there is no such model, or its hub cannot be reached.
        UnsupportedModel: it is not safetensors, or not a Stable Diffusion 1.x, 2.x or XL; the
            message says what it is.
    """
    path, from_hub = _find(name_or_path, options)
    description = _describe(path, options)
    description.raise_problem()
    files = [path, *_added_files(options)]
    description = replace(description, fingerprint=fingerprint_of(files, repr(options)))
    if from_hub:
        description = replace(description, name=name_or_path, licence="unknown")
    vae = load_outer_vae(options.vae, options.dtype, description.family or "sd1")
    load = load_folder if path.is_dir() else load_file
    pipeline = load(path, description, options, vae)
    _add_all(pipeline, description, options)
    prediction = description.prediction
    if prediction is None:
        raise UnsupportedModel(f"{path.name} does not say what it predicts.")
    pipeline.scheduler = DDIMScheduler.from_config(
        pipeline.scheduler.config,
        prediction_type=prediction.type,
        rescale_betas_zero_snr=prediction.zero_snr,
    )
    folder = path if path.is_dir() and not from_hub else None
    return LoadedModel(pipeline, folder, description)


def _added_files(options: LoadOptions) -> list[Path]:
    """Return the files and folders of what is loaded beside the model."""
    vae = [Path(options.vae)] if options.vae else []
    loras = [lora.path for lora in parse_loras(options.lora)]
    return vae + loras + [file.path for file in parse_embeddings(options.embeddings)]


def inspect_model(name_or_path: str, options: LoadOptions | None = None) -> ModelDescription:
    """Find out what a model is, and whether it can be used, without loading its weights.

    Args:
        name_or_path: as for `load_pipeline`; a hub id is downloaded first.
        options: how it would be loaded.

    Raises:
        ModelNotFound: there is no such model, or its hub cannot be reached.
    """
    options = options or LoadOptions()
    try:
        return _describe(_find(name_or_path, options)[0], options)
    except UnsupportedModel as error:
        return ModelDescription(name_or_path, problem=str(error))


def _find(name_or_path: str, options: LoadOptions) -> tuple[Path, bool]:
    """Return a model's file or folder, and whether it came from a hub."""
    bundled = BUNDLED / name_or_path
    if re.fullmatch(r"\w+", name_or_path) and bundled.is_dir():
        return bundled, False
    path = Path(name_or_path)
    if path.exists() or path.suffix in _PICKLES:
        return path, False
    if _HUB_ID.fullmatch(name_or_path):
        return _download(name_or_path, options), True
    known = ", ".join(sorted(p.name for p in BUNDLED.iterdir() if p.is_dir()))
    raise ModelNotFound(
        f"There is no model {name_or_path!r}. Give a bundled name ({known}), a diffusers folder, "
        "a .safetensors file, or a hub id such as stable-diffusion-v1-5/stable-diffusion-v1-5."
    )


def _describe(path: Path, options: LoadOptions) -> ModelDescription:
    description = _describe_alone(path, options)
    return description if description.problem else _describe_additions(description, options)


def _describe_additions(description: ModelDescription, options: LoadOptions) -> ModelDescription:
    """Return a description with what is added to the model, or with what is wrong with that."""
    additions, notes, words = [], list(description.notes), {}
    try:
        for lora in parse_loras(options.lora):
            additions.append(describe_lora(lora, description))
            _, hints = describe_sampling(options.sampling, description.distilled_by, lora.path.stem)
            notes += [f"{lora.name}: {hint}" for hint in hints]
        for file in parse_embeddings(options.embeddings):
            words[file.word] = len(read_embedding(file, description)[0])
            additions.append(describe_embedding(file, words[file.word]))
    except UnsupportedModel as error:
        return replace(description, problem=str(error))
    return replace(
        description,
        additions=tuple(additions),
        notes=tuple(notes),
        added_words=words,
        max_windows=MAX_WINDOWS if options.long_prompts == "windows" else 1,
    )


def _add_all(pipeline: AnyPipeline, description: ModelDescription, options: LoadOptions) -> None:
    """Fuse LoRAs and teach words, as described."""
    for lora in parse_loras(options.lora):
        fuse_lora(pipeline, lora)
    for file in parse_embeddings(options.embeddings):
        vectors = read_embedding(file, description)
        add_embedding(pipeline, file, vectors)


def _describe_alone(path: Path, options: LoadOptions) -> ModelDescription:
    if path.suffix in _PICKLES and not path.is_dir():
        raise UnsupportedModel(
            f"{path.name} is a pickle, which can run code when opened. "
            "If you trust it, convert it to .safetensors and give that file."
        )
    if path.is_dir():
        return replace(describe_folder(path, options), licence=read_licence(path))
    if path.suffix == ".gguf":
        raise UnsupportedModel(f"{path.name} is quantised (GGUF); give the .safetensors file.")
    if path.suffix != ".safetensors":
        raise UnsupportedModel(f"{path.name} is not a .safetensors file.")
    return replace(describe_file(path, options), name=path.name)


def _download(hub_id: str, options: LoadOptions) -> Path:
    """Return the folder of a hub's repository, downloaded in the variant that fits the dtype."""
    try:
        variant = _find_variant(hub_id, options)
        # Without the safety checker, which is downloaded only if it is used.
        folder = StableDiffusionPipeline.download(
            hub_id, variant=variant, use_safetensors=True, **NO_CHECKER
        )
    except _UNREACHABLE as error:
        raise _unreachable(hub_id) from error
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        if "safetensors" in str(error):
            raise UnsupportedModel(f"{hub_id} has no safetensors weights.") from error
        raise _unreachable(hub_id) from error
    return Path(folder)


def _find_variant(hub_id: str, options: LoadOptions) -> str | None:
    """Return the variant to download; None if the hub cannot be asked, and the cache must do."""
    try:
        siblings = model_info(hub_id).siblings or []
    except Exception:  # of the hub's HTTP library; what is wrong, the download will say
        return None
    return choose_variant([one.rfilename for one in siblings], options.dtype)


def _unreachable(hub_id: str) -> ModelError:
    return ModelNotFound(
        f"{hub_id} is not in the local cache, and the model hub cannot be reached or does not have "
        "it. Give a folder or a .safetensors file (BARET_MODEL=/path), or copy the hub cache here "
        "and set HF_HOME, or set HF_ENDPOINT to a mirror, or HF_TOKEN for a gated model."
    )


def read_licence(folder: Path) -> str:
    """Return the `license:` of the model card beside the weights, or "unknown"."""
    card = folder / "README.md"
    if card.is_file():
        for line in card.read_text("utf-8").splitlines():
            if line.startswith("license:"):
                return line.removeprefix("license:").strip()
    return "unknown"


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
