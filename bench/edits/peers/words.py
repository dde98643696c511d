"""Which token of the target caption stands where which token of the source caption stood.

n tokens of an embedding, marks and padding included.
"""

from dataclasses import dataclass
from difflib import SequenceMatcher

import torch
from torch import Tensor

from baret.heatmaps import words_of

Pair = tuple[tuple[int, ...], tuple[int, ...]]  # a source word's places, a target word's places


@dataclass(frozen=True)
class Alignment:
    """A target caption seen from its source caption."""

    matrix: Tensor  # A, [n, n]: column j is where the target's token j looks in the source
    share: Tensor  # α, [n]: 1 where the target's token has a counterpart
    changed_source: tuple[int, ...]  # positions of the words that differ
    changed_target: tuple[int, ...]


def align(source: list[str], target: list[str], length: int, *, swap: bool) -> Alignment:
    """Align two captions word by word.

    Args:
        source, target: tokens without the marks at either end.
        length: n.
        swap: a run of words replaced by as many others takes their maps ("word swap");
            otherwise new words keep their own ("adding a new phrase").
    """
    own, new = words_of(source), words_of(target)
    pairs: list[Pair] = [((0,), (0,))]  # the start mark
    lost: list[int] = []
    added: list[int] = []
    matcher = SequenceMatcher(None, [w for w, _ in own], [w for w, _ in new], autojunk=False)
    for kind, a, b, c, d in matcher.get_opcodes():
        together = [
            (tuple(places), tuple(others))
            for (_, places), (_, others) in zip(own[a:b], new[c:d], strict=False)
        ]
        if kind == "equal" or (swap and b - a == d - c):
            pairs += together
        if kind != "equal":
            lost += [place for _, places in own[a:b] for place in places]
            added += [place for _, places in new[c:d] for place in places]
    # The end mark and the padding, counted from the end mark.
    for place in range(len(target) + 1, length):
        pairs.append(((min(place - len(target) + len(source), length - 1),), (place,)))
    matrix, share = _matrix(pairs, length)
    return Alignment(matrix, share, tuple(lost), tuple(added))


def _matrix(pairs: list[Pair], length: int) -> tuple[Tensor, Tensor]:
    matrix, share = torch.zeros(length, length), torch.zeros(length)
    for places, others in pairs:
        same = len(places) == len(others)
        for i, other in enumerate(others):
            looked_at = [places[i]] if same else list(places)
            matrix[looked_at, other] = 1 / len(looked_at)
            share[other] = 1
    return matrix, share
