"""Pairs of edits, drawn so that methods, edits and kinds are compared equally often."""

import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from bench.study.errors import SourceError
from bench.study.source import Edit

Methods = tuple[str, str]


@dataclass(frozen=True)
class Pair:
    """Two edits of the same photo, and the sides they are shown on."""

    edit: Edit
    left: str  # method
    right: str


def count_possible(edits: Sequence[Edit]) -> int:
    """Return how many different pairs the edits allow."""
    return sum(map(len, _possible(edits).values()))


def draw(edits: Sequence[Edit], count: int, seed: int) -> list[Pair]:
    """Draw pairs; the same seed gives the same ones.

    Every two methods meet equally often (within one, as far as they share edits). Among their
    edits, those shown least come first, then those of the kind that these two methods have met
    least for its size, then those whose two images have been shown least. Of two methods' pairs,
    each method is on the left in half. The order is random.

    Raises:
        SourceError: there are fewer such pairs.
    """
    possible = count_possible(edits)
    if not possible:
        raise SourceError("No edit was made by two methods, so there is nothing to compare.")
    if count > possible:
        raise SourceError(
            f"Only {possible} pairs are possible, {count} were requested. Use fewer --pairs, or "
            "more edits or methods."
        )
    rng = random.Random(seed)
    pairs = _with_sides(_choose(_possible(edits), count, rng), rng)
    rng.shuffle(pairs)
    return pairs


def _possible(edits: Sequence[Edit]) -> dict[Methods, list[Edit]]:
    """Return the edits that any two methods share."""
    shared: dict[Methods, list[Edit]] = defaultdict(list)
    for edit in edits:
        for methods in combinations(sorted(edit.edited), 2):
            shared[methods].append(edit)
    return dict(shared)


def _choose(
    remaining: dict[Methods, list[Edit]], count: int, rng: random.Random
) -> list[tuple[Methods, Edit]]:
    """Choose greedily; `remaining` loses what is chosen."""
    sizes = Counter(
        edit.kind for edit in {edit.id: edit for es in remaining.values() for edit in es}.values()
    )
    met: Counter[Methods] = Counter()
    shown: Counter[str] = Counter()  # by edit
    kinds: Counter[tuple[Methods, str]] = Counter()
    images: Counter[tuple[str, str]] = Counter()  # by method and edit
    chosen = []
    for _ in range(count):
        methods = min((m for m in remaining if remaining[m]), key=lambda m: (met[m], rng.random()))
        edit = min(
            remaining[methods],
            key=lambda e: (
                shown[e.id],
                kinds[methods, e.kind] / sizes[e.kind],
                sum(images[method, e.id] for method in methods),
                rng.random(),
            ),
        )
        remaining[methods].remove(edit)
        met[methods] += 1
        shown[edit.id] += 1
        kinds[methods, edit.kind] += 1
        images.update((method, edit.id) for method in methods)
        chosen.append((methods, edit))
    return chosen


def _with_sides(chosen: Sequence[tuple[Methods, Edit]], rng: random.Random) -> list[Pair]:
    swapped: dict[Methods, bool] = {}
    pairs = []
    for methods, edit in chosen:
        swapped[methods] = not swapped.get(methods, rng.random() < 0.5)
        left, right = reversed(methods) if swapped[methods] else methods
        pairs.append(Pair(edit, left, right))
    return pairs
