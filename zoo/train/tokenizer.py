"""A CLIP tokenizer for which every word of the world is one token.

It has all of CLIP's 256 byte characters too, within a word and at its end, so that any text can
be told to the model; a word it does not know falls into characters.
"""

import json
from collections import Counter
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from transformers import CLIPTokenizer

from zoo.captions import MAX_TOKENS, WORDS
from zoo.train.files import replacing
from zoo.train.options import TrainOptions

END_OF_WORD = "</w>"
START, END = "<|startoftext|>", "<|endoftext|>"


def byte_characters() -> list[str]:
    """Return the printable character that stands for each byte, in CLIP's and GPT-2's alphabet."""
    printable = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return [chr(byte) for byte in printable] + [chr(256 + i) for i in range(len(others))]


def merges(words: Iterable[str]) -> list[tuple[str, str]]:
    """Byte-pair merges, in order, after which each of the words is one token.

    They are found as byte-pair encoding is trained, the most frequent pair of all words first.
    Merges put together word by word would not do: one word's merges split another's ("orange" by
    those of "an").
    """
    split = [[*word[:-1], word[-1] + END_OF_WORD] for word in sorted(set(words))]
    found = []
    while any(len(parts) > 1 for parts in split):
        pairs = Counter(p for parts in split for p in pairwise(parts))
        pair = max(pairs, key=lambda p: (pairs[p], p))
        found.append(pair)
        split = [_merged(parts, pair) for parts in split]
    return found


def _merged(parts: list[str], pair: tuple[str, str]) -> list[str]:
    merged: list[str] = []
    for part in parts:
        # What a merge has made is longer than the pair's first, so it never merges again here.
        if merged and (merged[-1], part) == pair:
            merged[-1] += part
        else:
            merged.append(part)
    return merged


def build() -> Any:
    """Return the tokenizer of the world's words.

    Raises:
        ValueError: a word is not one token, as one with punctuation in it.
    """
    pairs, alphabet = merges(WORDS), byte_characters()
    tokens = [*alphabet, *(c + END_OF_WORD for c in alphabet), *(a + b for a, b in pairs)]
    vocabulary = {token: i for i, token in enumerate([*dict.fromkeys(tokens), START, END])}
    with TemporaryDirectory() as folder:
        Path(folder, "vocab.json").write_text(json.dumps(vocabulary), "utf-8")
        lines = ["#version: 0.2", *(" ".join(pair) for pair in pairs)]
        Path(folder, "merges.txt").write_text("\n".join(lines) + "\n", "utf-8")
        tokenizer = CLIPTokenizer.from_pretrained(folder, model_max_length=MAX_TOKENS)
    if several := [word for word in WORDS if len(tokenizer(word).input_ids) != 3]:
        raise ValueError(f"These words are not one token each: {', '.join(several)}.")
    return tokenizer


def path(options: TrainOptions) -> Path:
    """Where a run keeps its tokenizer."""
    return options.out / "tokenizer"


def write(options: TrainOptions) -> None:
    """Make the tokenizer and write it."""
    with replacing(path(options)) as draft:
        build().save_pretrained(draft)


def load(options: TrainOptions) -> Any:
    """Return the run's tokenizer."""
    return CLIPTokenizer.from_pretrained(path(options))


def ids(tokenizer: Any, texts: list[str]) -> Any:
    """Token numbers, [b, MAX_TOKENS] int64, padded or cut."""
    return tokenizer(
        texts, padding="max_length", truncation=True, max_length=MAX_TOKENS, return_tensors="pt"
    ).input_ids
