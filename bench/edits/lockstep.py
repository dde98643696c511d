"""Several of `baret`'s generators at once: what they ask for together is answered together.

Generators that run the same method ask for the same timesteps in the same order, so on a machine
where one picture cannot fill a call, many can. Unlike the engine's threads it gives the same calls
every time. Requests go together that want a gradient or not, that balance attention or not. Whoever
ends an inner loop early waits for the others.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Protocol

from baret.unet.requests import Answer, DeviceTask, R, Request, Routine, merge, split

STAGES = ("inverting", "tuning", "editing")
ROWS = 64  # a call is full from here on: with several hundred a CPU's caches no longer hold them


class Answers(Protocol):
    """`baret.unet.predictor.Predictor`, or what stands for it."""

    def answer(self, request: Request) -> Answer:
        """Answer a request."""


def run_together(predictor: Answers, edits: Sequence[Routine[R]]) -> list[R]:
    """Run generators to their ends.

    Args:
        predictor: answers the merged requests.
        edits: as many as fit into memory together.

    Returns:
        Their results, in order.
    """
    results: dict[int, R] = {}
    waiting: dict[int, Request] = {}

    def resume(place: int, answer: Any) -> None:
        waiting.pop(place, None)
        edit = edits[place]
        try:
            asked = edit.send(answer)
            while isinstance(asked, DeviceTask):
                asked = edit.send(asked.work())
            waiting[place] = asked
        except StopIteration as stop:
            results[place] = stop.value

    for place in range(len(edits)):
        resume(place, None)
    while waiting:
        for places in _groups(_rearmost(waiting)):
            requests = [waiting[place] for place in places]
            answer = predictor.answer(merge(requests))
            for place, own in zip(places, split(answer, requests), strict=True):
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
        kind = (request.kind, request.injection is None)
        full = rows[kind] // ROWS
        groups[(*kind, full)].append(place)
        rows[kind] += len(request.latents)
    return list(groups.values())
