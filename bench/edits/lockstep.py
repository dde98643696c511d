"""Several of `baret`'s generators in lockstep: requests of the same kind are answered in one call.

Generators of the same method request the same timesteps in the same order, so on a machine that
one image cannot fill, many share a call. Unlike the engine, which takes requests from threads, this
makes the same calls every time. Requests are merged if they agree in whether they need a gradient
and in whether they balance attention. A generator that ends an inner loop early waits for the
others.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Protocol

from baret.unet.requests import DeviceTask, Prediction, R, Request, Routine, merge, split

FULL_CALL_ROWS = 64  # with several hundred rows, a call no longer fits into a CPU's caches


class NoisePredictor(Protocol):
    """The part of `baret.unet.predictor.Predictor` that is used here."""

    def answer(self, request: Request) -> Prediction:
        """Answer a request."""


def run_together(predictor: NoisePredictor, edits: Sequence[Routine[R]]) -> list[R]:
    """Run generators to their ends.

    Args:
        predictor: answers the merged requests.
        edits: as many generators as fit into memory together.

    Returns:
        Their results, in order.
    """
    results: dict[int, R] = {}
    waiting: dict[int, Request] = {}
    stages: list[dict[str, None]] = [{} for _ in edits]  # that each has entered, in its order

    def resume(index: int, answer: Any) -> None:
        waiting.pop(index, None)
        edit = edits[index]
        try:
            request = edit.send(answer)
            while isinstance(request, DeviceTask):
                request = edit.send(request.work())
            waiting[index] = request
            stages[index][request.progress.stage] = None
        except StopIteration as stop:
            results[index] = stop.value

    for index in range(len(edits)):
        resume(index, None)
    while waiting:
        for group in _groups(_rearmost(waiting, stages)):
            requests = [waiting[index] for index in group]
            answer = predictor.answer(merge(requests))
            for index, own in zip(group, split(answer, requests), strict=True):
                resume(index, own)
    return [results[index] for index in range(len(edits))]


def _rearmost(waiting: dict[int, Request], stages: Sequence[dict[str, None]]) -> dict[int, Request]:
    """Return the requests with the least progress.

    The others wait; otherwise the generators would never be at the same timestep again.
    """
    progress = {
        index: (len(stages[index]), request.progress.done) for index, request in waiting.items()
    }
    least = min(progress.values())
    return {index: request for index, request in waiting.items() if progress[index] == least}


def _groups(waiting: dict[int, Request]) -> list[list[int]]:
    """Group the requests that can be merged; a call has FULL_CALL_ROWS rows or slightly more."""
    groups = defaultdict[Any, list[int]](list)
    rows = defaultdict[Any, int](int)
    for index, request in waiting.items():
        kind = (request.kind, request.injection is None)
        full_calls = rows[kind] // FULL_CALL_ROWS
        groups[(*kind, full_calls)].append(index)
        rows[kind] += len(request.latents)
    return list(groups.values())
