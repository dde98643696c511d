"""Several of `baret`'s generators at once: what they ask for together is answered together.

b rows · n tokens · d text width.

Generators that run the same method ask for the same timesteps in the same order, so on a machine
where one picture cannot fill a call, many can. Requests go together that want a gradient or not,
that balance attention or not. Whoever ends an inner loop early waits for the others.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor

from baret.attention import Injection
from baret.engine import Answer, Edit, Engine, R, Request

STAGES = ("inverting", "tuning", "editing")
ROWS = 64  # a call is full from here on: with several hundred a CPU's caches no longer hold them
Loss = Callable[[Tensor], Tensor]


def run_together(engine: Engine, edits: Sequence[Edit[R]]) -> list[R]:
    """Run generators to their ends.

    Args:
        engine: answers the merged requests.
        edits: as many as fit into memory together.

    Returns:
        Their results, in order.
    """
    results: dict[int, R] = {}
    waiting: dict[int, Request] = {}

    def resume(place: int, answer: Answer | None) -> None:
        waiting.pop(place, None)
        try:
            edit = edits[place]
            waiting[place] = next(edit) if answer is None else edit.send(answer)
        except StopIteration as stop:
            results[place] = stop.value

    for place in range(len(edits)):
        resume(place, None)
    while waiting:
        for places in _groups(_rearmost(waiting)):
            answer = engine.answer(merge([waiting[place] for place in places]))
            sizes = [len(waiting[place].latents) for place in places]
            for place, own in zip(places, split(answer, sizes), strict=True):
                resume(place, own)
    return [results[place] for place in range(len(edits))]


def _rearmost(waiting: dict[int, Request]) -> dict[int, Request]:
    """Those that are least far: the others wait, or they would never meet at a timestep again."""

    def how_far(request: Request) -> tuple[int, float]:
        return STAGES.index(request.where.stage), request.where.done

    least = min(how_far(request) for request in waiting.values())
    return {place: request for place, request in waiting.items() if how_far(request) == least}


def _groups(waiting: dict[int, Request]) -> list[list[int]]:
    """The places whose requests can be answered together, ROWS rows or little more a call."""
    groups = defaultdict[Any, list[int]](list)
    rows = defaultdict[Any, int](int)
    for place, request in waiting.items():
        alone = place if request.recorder is not None else -1
        kind = (request.loss is None, request.injection is None, alone)
        full = rows[kind] // ROWS
        groups[(*kind, full)].append(place)
        rows[kind] += len(request.latents)
    return list(groups.values())


def merge(requests: Sequence[Request]) -> Request:
    """One request for the rows of several, in order."""
    first = requests[0]
    if len(requests) == 1:
        return first
    sizes = [len(request.latents) for request in requests]
    return Request(
        first.where,
        torch.cat([request.latents for request in requests]),
        tuple(timestep for request in requests for timestep in request.timesteps),
        torch.cat([request.embeddings for request in requests]),
        _merged_injection([request.injection for request in requests], sizes),
        loss=_merged_loss([request.loss for request in requests], sizes),
    )


def _merged_injection(given: Sequence[Injection | None], sizes: Sequence[int]) -> Injection | None:
    """Each request's row numbers count from its own first row."""
    starts = [0, *accumulate(sizes)]
    injections = [injection for injection in given if injection is not None]
    if not injections:
        return None

    def shifted(rows: list[tuple[int, ...]]) -> tuple[int, ...]:
        return tuple(row + start for own, start in zip(rows, starts, strict=False) for row in own)

    return Injection(
        shifted([injection.self_from for injection in injections]),
        shifted([injection.cross_from for injection in injections]),
    )


def _merged_loss(given: Sequence[Loss | None], sizes: Sequence[int]) -> Loss | None:
    losses = [loss for loss in given if loss is not None]
    if not losses:
        return None

    def merged(noise: Tensor) -> Tensor:
        own = torch.split(noise, list(sizes))
        return torch.cat([loss(rows) for loss, rows in zip(losses, own, strict=True)])

    return merged


def split(answer: Answer, sizes: Sequence[int]) -> list[Answer]:
    """The answers to the requests that were merged, by their rows."""
    rows = list(sizes)
    nothing: list[None] = [None] * len(rows)
    losses = nothing if answer.losses is None else torch.split(answer.losses, rows)
    gradients = nothing if answer.gradient is None else torch.split(answer.gradient, rows)
    return [
        Answer(noise, loss, gradient)
        for noise, loss, gradient in zip(
            torch.split(answer.noise, rows), losses, gradients, strict=True
        )
    ]
