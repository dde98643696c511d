"""The alignment of two captions: the source token that each target token corresponds to.

n tokens of an embedding, marks and padding included.
"""

from dataclasses import dataclass
from difflib import SequenceMatcher

import torch
from torch import Tensor

from baret.heatmaps import words_of

Pair = tuple[tuple[int, ...], tuple[int, ...]]  # token indices of a source and of a target word


@dataclass(frozen=True)
class Alignment:
    """The alignment of a target caption with its source caption."""

    matrix: Tensor  # A, [n, n]: column j is where the target's token j looks in the source
    share: Tensor  # α, [n]: 1 where the target's token has a counterpart
    changed_source: tuple[int, ...]  # token indices of the words that differ
    changed_target: tuple[int, ...]


def align(source: list[str], target: list[str], length: int, *, swap: bool) -> Alignment:
    """Align two captions word by word.

    Args:
        source, target: tokens without start and end mark.
        length: n.
        swap: a run of words replaced by as many others takes their maps ("word swap");
            otherwise new words keep their own ("adding a new phrase").
    """
    source_words, target_words = words_of(source), words_of(target)
    pairs: list[Pair] = [((0,), (0,))]  # the start mark
    removed: list[int] = []
    added: list[int] = []
    matcher = SequenceMatcher(
        None, [word for word, _ in source_words], [word for word, _ in target_words], autojunk=False
    )
    for kind, a, b, c, d in matcher.get_opcodes():
        word_pairs = [
            (tuple(from_source), tuple(from_target))
            for (_, from_source), (_, from_target) in zip(
                source_words[a:b], target_words[c:d], strict=False
            )
        ]
        if kind == "equal" or (swap and b - a == d - c):
            pairs += word_pairs
        if kind != "equal":
            removed += [index for _, indices in source_words[a:b] for index in indices]
            added += [index for _, indices in target_words[c:d] for index in indices]
    # The end mark and the padding, counted from the end mark.
    for index in range(len(target) + 1, length):
        pairs.append(((min(index - len(target) + len(source), length - 1),), (index,)))
    matrix, share = _matrix(pairs, length)
    return Alignment(matrix, share, tuple(removed), tuple(added))


def _matrix(pairs: list[Pair], length: int) -> tuple[Tensor, Tensor]:
    matrix, share = torch.zeros(length, length), torch.zeros(length)
    for from_source, from_target in pairs:
        one_to_one = len(from_source) == len(from_target)
        for i, token in enumerate(from_target):
            counterparts = [from_source[i]] if one_to_one else list(from_source)
            matrix[counterparts, token] = 1 / len(counterparts)
            share[token] = 1
    return matrix, share
