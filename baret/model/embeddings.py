"""Textual inversion: files that teach the text encoder a word (`BARET_EMBEDDINGS`).

k vectors of a word · d text width.

arXiv 2208.01618. A word of several vectors takes as many tokens of a text. In the tokenizer and the
text encoder they are `word`, `word_1`, `word_2` …, as diffusers names them.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import StableDiffusionXLPipeline
from safetensors.torch import load_file
from tokenizers import AddedToken
from torch import Tensor, nn

from baret.errors import UnsupportedModel
from baret.model.description import ModelDescription
from baret.model.layout import FAMILY_OF_WIDTH
from baret.model.text_encoders import AnyPipeline

MAX_VECTORS = 75  # of a word: the text encoder's 77 tokens without start and end
_WORD = re.compile(r"[^\s,=]+")
_XL = ("clip_l", "clip_g")  # in one file, an embedding for each of two text encoders
_PICKLES = (".pt", ".bin")


@dataclass(frozen=True)
class EmbeddingFile:
    """A file, and the word that it teaches."""

    path: Path
    word: str


def tokens_of(word: str, vectors: int) -> list[str]:
    """Return the names of a word's tokens in the tokenizer."""
    return [word, *(f"{word}_{number}" for number in range(1, vectors))]


def parse_embeddings(setting: str) -> tuple[EmbeddingFile, ...]:
    """Return the files of a setting such as `/models/bad-hands.pt,cat-toy=/models/learned.bin`.

    Raises:
        UnsupportedModel: a word has spaces, or two files teach the same.
    """
    files = tuple(_parse_one(part.strip()) for part in setting.split(",") if part.strip())
    words = [file.word.lower() for file in files]
    if twice := sorted({word for word in words if words.count(word) > 1}):
        raise _refused(f"two files teach {twice[0]!r}. Give one another word: word=path.")
    return files


def _parse_one(text: str) -> EmbeddingFile:
    word, equals, path = text.partition("=")
    named = equals and "/" not in word and "\\" not in word
    file = EmbeddingFile(Path(path), word) if named else EmbeddingFile(Path(text), Path(text).stem)
    if not _WORD.fullmatch(file.word):
        raise _refused(f"{file.word!r} is not one word. Give it another: word={file.path}.")
    return file


def describe_embedding(file: EmbeddingFile, vectors: int) -> str:
    """Return a line for people on a file that can be used."""
    tokens = "1 token" if vectors == 1 else f"{vectors} tokens"
    return f"embedding {file.path.name}: write “{file.word}” in a text ({tokens})"


def read_embedding(file: EmbeddingFile, model: ModelDescription) -> tuple[Tensor, ...]:
    """Read a word's vectors, [k, d] float32 for each of the model's text encoders.

    Args:
        file: the file.
        model: that it is for.

    Raises:
        UnsupportedModel: it is not an embedding for this model.
    """
    content = _read(file.path)
    is_pair = isinstance(content, Mapping) and set(content.keys()) >= set(_XL)
    if model.family != "sdxl":
        if is_pair:
            raise _refused(f"{file.path.name} is an embedding for Stable Diffusion XL. {_GIVE}")
        found = _find_vectors(file.path.name, content)
        return (_check_vectors(file, found, model, model.text_width),)
    if not is_pair:
        raise _refused(
            f"{file.path.name} has no vectors for both text encoders of Stable Diffusion XL "
            f"({' and '.join(_XL)}). {_GIVE}"
        )
    widths = model.encoder_widths or (None, None)
    pair = tuple(
        _check_vectors(file, content[name], model, width)
        for name, width in zip(_XL, widths, strict=True)
    )
    if len(pair[0]) != len(pair[1]):
        raise _refused(
            f"{file.path.name} has {len(pair[0])} vectors for one text encoder and "
            f"{len(pair[1])} for the other. Download it again."
        )
    return pair


def _check_vectors(
    file: EmbeddingFile, found: Tensor, model: ModelDescription, width: int | None
) -> Tensor:
    name, vectors = file.path.name, found.detach().float()
    if vectors.ndim == 1:
        vectors = vectors[None]
    if vectors.ndim != 2 or not 0 < len(vectors) <= MAX_VECTORS:
        raise _refused(f"{name} has a tensor of shape {tuple(vectors.shape)}, not vectors.")
    theirs = vectors.shape[1]
    if width is not None and theirs != width:
        family = FAMILY_OF_WIDTH.get(theirs, f"texts that are {theirs} wide")
        raise _refused(
            f"{name} is an embedding for {family}, and the model is {model.kind}, whose texts are "
            f"{width} wide. Give one that was made for the model's family."
        )
    if not torch.isfinite(vectors).all():
        raise _refused(f"{name} has values that are not finite. Download it again.")
    return vectors


def _read(path: Path) -> Any:
    """Open a file: safetensors, or by PyTorch's reader of tensors alone, which runs no code."""
    if path.suffix not in (".safetensors", *_PICKLES) or not path.is_file():
        raise _refused(f"{path} is not a .safetensors, .pt or .bin file.")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        with torch.serialization.safe_globals([nn.ParameterDict]):  # of the original code's files
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # both raise many kinds
        raise _refused(
            f"{path.name} cannot be read as tensors alone. Download it again, or convert it to "
            ".safetensors."
        ) from error


def _find_vectors(name: str, content: Any) -> Tensor:
    """Return the tensor of a file's content in one of the known layouts."""
    if isinstance(content, Tensor):
        return content
    if not isinstance(content, Mapping | nn.ParameterDict):
        raise _refused(f"{name} has no vectors. Give a textual inversion embedding.")
    if "string_to_param" in content:  # the original code's, and the AUTOMATIC1111 UI's
        return _find_vectors(name, content["string_to_param"])
    tensors = [one for one in content.values() if isinstance(one, Tensor)]
    if len(tensors) != 1:
        raise _refused(f"{name} has {len(tensors)} tensors instead of one word's. {_GIVE}")
    return tensors[0]


_GIVE = "Give an embedding of one word, made for the model's family."


def add_embedding(pipeline: AnyPipeline, file: EmbeddingFile, vectors: tuple[Tensor, ...]) -> None:
    """Teach a pipeline's tokenizers and text encoders a word.

    Args:
        pipeline: of the model.
        file: that teaches it.
        vectors: of the word for each text encoder, from `read_embedding`.

    Raises:
        UnsupportedModel: the model has it already.
    """
    _teach(pipeline.tokenizer, pipeline.text_encoder, file, vectors[0])
    if isinstance(pipeline, StableDiffusionXLPipeline):
        _teach(pipeline.tokenizer_2, pipeline.text_encoder_2, file, vectors[1])


def _teach(tokenizer: Any, encoder: Any, file: EmbeddingFile, vectors: Tensor) -> None:
    vocabulary = tokenizer.get_vocab()
    known = {file.word, f"{file.word.lower()}</w>", *tokens_of(file.word, len(vectors))}
    if known & vocabulary.keys():
        raise _refused(
            f"the model knows {file.word!r} already. Give the embedding another word: "
            f"word={file.path}."
        )
    # Alone between spaces and punctuation, so that “cat-toy” is not found in “cat-toys”.
    names = tokens_of(file.word, len(vectors))
    tokenizer.add_tokens([AddedToken(name, single_word=True) for name in names])
    before = encoder.get_input_embeddings().weight
    ids = tokenizer.convert_tokens_to_ids(names)
    rows = max(len(before), max(ids) + 1)
    encoder.resize_token_embeddings(rows, mean_resizing=False)
    weight = encoder.get_input_embeddings().weight
    weight.data[len(before) :] = 0
    weight.data[ids] = vectors.to(weight.dtype)


def _refused(problem: str) -> UnsupportedModel:
    return UnsupportedModel(f"BARET_EMBEDDINGS: {problem}")
