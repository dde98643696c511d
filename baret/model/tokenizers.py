"""CLIP's tokenizer, which single files do not contain."""

from typing import Any

from transformers import CLIPTokenizer

from baret.model.layout import CONFIGS


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
