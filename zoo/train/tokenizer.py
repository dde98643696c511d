"""Builds a CLIP tokenizer in which every word of the world is one token.

It also has all of CLIP's 256 byte characters, within a word and at its end, so that it accepts any
text. It splits an unknown word into shorter tokens, down to single characters.
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
    """Return ordered byte-pair merges that make each of the words one token.

    This is the usual training of a byte-pair encoding: the most frequent pair over all words comes
    first. Merges built word by word would not work, because one word's merges can break up another
    word (those of "an" break up "orange").
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
        # A merged token is longer than the pair's first one, so it cannot merge again here.
        if merged and (merged[-1], part) == pair:
            merged[-1] += part
        else:
            merged.append(part)
    return merged


def build() -> Any:
    """Build the tokenizer of the world's words.

    Raises:
        ValueError: a word is not one token, for example because it contains punctuation.
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
    """Return the path of the run's tokenizer."""
    return options.out / "tokenizer"


def write(options: TrainOptions) -> None:
    """Build the tokenizer and write it."""
    with replacing(path(options)) as draft:
        build().save_pretrained(draft)


def load(options: TrainOptions) -> Any:
    """Load the run's tokenizer."""
    return CLIPTokenizer.from_pretrained(path(options))


def ids(tokenizer: Any, texts: list[str]) -> Any:
    """Return token ids, [b, MAX_TOKENS] int64, padded or truncated."""
    return tokenizer(
        texts, padding="max_length", truncation=True, max_length=MAX_TOKENS, return_tensors="pt"
    ).input_ids
