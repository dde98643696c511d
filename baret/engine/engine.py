"""Many edits on one model: what they ask for at the same time is answered in the same UNet calls.

Every edit runs on the thread of whoever wants it and asks from there; one thread of the engine's
own does what the device must do. Before each call it looks who waits, whatever timestep they are
at, so edits join and leave between two calls. `baret.engine.scheduler` decides who goes together.
"""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from baret.engine.budget import Budget
from baret.engine.scheduler import FairScheduler, PendingRequest, Session
from baret.errors import OutOfMemory
from baret.unet.cuda_graphs import CudaRecorder
from baret.unet.predictor import NoisePredictor, Predictor
from baret.unet.requests import (
    Answer,
    DeviceTask,
    R,
    Request,
    Routine,
    StageProgress,
    joined,
    merge,
    split,
)

PATIENCE = 0.1  # of the last call's time: how long edits that are between requests are waited for


@dataclass(frozen=True)
class Call:
    """A call of the UNet, told to whoever counts them."""

    edits: int  # that shared it
    rows: int
    gradient: bool  # whether it went back to the texts too
    seconds: float  # of the engine's thread; a GPU may still be busy
    waited: float  # seconds that its first request had waited


class Engine:
    """Runs edits on one model, from as many threads as there are edits."""

    def __init__(
        self,
        model: NoisePredictor,
        budget: Budget,
        on_call: Callable[[Call], None] = lambda call: None,
    ):
        """Take the model.

        Args:
            model: predicts noise.
            budget: what fits into a call.
            on_call: told of every call, on the engine's thread.

        Raises:
            AttentionLayoutError: the UNet's attention layers are not those that BAM knows.
        """
        record = CudaRecorder(model.device) if model.device.type == "cuda" else None
        self._predictor = Predictor(model, record)
        self._budget = budget
        self._on_call = on_call
        self._turns = FairScheduler()
        self._changed = threading.Condition()  # guards the turns
        self._last = 0.0  # seconds of the last call
        # One thread: CUDA graphs and OpenMP's teams belong to the thread that made them.
        self._device = ThreadPoolExecutor(1, "baret-engine")

    @property
    def budget(self) -> Budget:
        """What fits into a call: less than at first once the device had no room."""
        return self._budget

    def run(self, edit: Routine[R], before_call: Callable[[StageProgress], None]) -> R:
        """Run an edit to its end, beside those of other threads.

        Args:
            edit: the generator.
            before_call: called on this thread before every request; what it raises ends the edit.

        Raises:
            OutOfMemory: the device has no room.
        """
        with self._changed:
            session = self._turns.enter()
        try:
            request = next(edit)
            while True:
                before_call(request.where)
                request = edit.send(self._ask(session, request))
        except StopIteration as stop:
            result: R = stop.value
            return result
        finally:
            with self._changed:
                self._turns.leave(session)
                self._changed.notify()
            edit.close()

    def _ask(self, session: Session, request: Request | DeviceTask) -> Any:
        asked = PendingRequest(request)
        with self._changed:
            session.asked = asked
            self._changed.notify()
        # Every request brings a turn; where an earlier one has served it, this one finds less.
        self._device.submit(self._turn)
        return asked.answer.result()

    def _turn(self) -> None:
        with self._changed:
            if self._turns.anyone_waits():
                self._changed.wait_for(self._turns.everyone_waits, PATIENCE * self._last)
            asked = self._turns.take(self._budget)
        if asked:
            self._serve(asked)

    def _serve(self, asked: Sequence[PendingRequest]) -> None:
        """Answer some together; each for itself where that fails, for one may be at fault."""
        try:
            answers = self._answers(asked)
        except Exception as error:
            if len(asked) == 1:
                asked[0].answer.set_exception(error)
                return
            for one in asked:
                self._serve([one])
            return
        for one, answer in zip(asked, answers, strict=True):
            one.answer.set_result(answer)

    def _answers(self, asked: Sequence[PendingRequest]) -> Sequence[Any]:
        requests = [one.request for one in asked if isinstance(one.request, Request)]
        if not requests:
            return [one.request.work() for one in asked if isinstance(one.request, DeviceTask)]
        merged = merge(requests)
        parts = self._budget.parts(merged)
        try:
            answers = [self._call(part, asked) for part in parts]
        except OutOfMemory:
            self._budget = smaller = self._budget.halved(merged)
            if len(smaller.parts(merged)) == len(parts):
                raise  # it cannot be cut any smaller
            return self._answers(asked)
        return split(joined(answers), requests)

    def _call(self, part: Request, asked: Sequence[PendingRequest]) -> Answer:
        started = time.perf_counter()
        answer = self._predictor.answer(part)
        self._last = time.perf_counter() - started
        waited = started - min(one.since for one in asked)
        self._on_call(Call(len(asked), len(part), part.goal is not None, self._last, waited))
        return answer
