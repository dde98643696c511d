"""Many edits on one model: requests that wait at the same time share calls of the UNet.

Each edit runs on its caller's thread and sends its requests from there. A thread of the engine does
all work on the device. Before each call it looks at which edits wait, whatever their timesteps, so
edits join and leave between two calls. `baret.engine.scheduler` decides which go together.
"""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from baret.engine.budget import Budget, release_memory
from baret.engine.scheduler import FairScheduler, PendingRequest, Session
from baret.errors import OutOfMemory, memory_errors
from baret.unet.cuda_graphs import CudaRecorder
from baret.unet.predictor import NoisePredictor, Predictor
from baret.unet.requests import (
    DeviceTask,
    Prediction,
    R,
    Request,
    Routine,
    StageProgress,
    join,
    merge,
    split,
)

WAIT_SHARE = 0.1  # of the last call's time: how long a call waits for edits between two requests


@dataclass(frozen=True)
class Call:
    """One call of the UNet, for counting."""

    edits: int  # that shared it
    rows: int
    gradient: bool  # whether it had a backward pass to the texts
    seconds: float  # on the engine's thread; a GPU may still be busy
    waited: float  # seconds since its oldest request was sent


def start_device_thread() -> ThreadPoolExecutor:
    """Return a thread for the work on a device.

    One thread, because CUDA graphs and OpenMP teams belong to the thread that made them, and two
    models that compute at once would slow each other down and count each other's memory.
    """
    return ThreadPoolExecutor(1, "baret-engine")


class Engine:
    """Runs edits on one model, each on its caller's thread."""

    def __init__(
        self,
        model: NoisePredictor,
        budget: Budget,
        on_call: Callable[[Call], None] = lambda call: None,
        device_thread: ThreadPoolExecutor | None = None,
    ):
        """Take the model.

        Args:
            model: predicts noise.
            budget: what fits into a call.
            on_call: called after every call of the UNet, on the engine's thread.
            device_thread: does the work on the device; models that share one device share it. None:
                a thread of its own.

        Raises:
            AttentionLayoutError: the UNet's attention layers are not the ones that BAM expects.
        """
        recorder = CudaRecorder(model.device) if model.device.type == "cuda" else None
        self._predictor = Predictor(model, recorder)
        self._budget = budget
        self._on_call = on_call
        self._scheduler = FairScheduler()
        self._changed = threading.Condition()  # guards the scheduler
        self._last_seconds = 0.0  # of the last call
        self._owns_thread = device_thread is None
        self._device = device_thread or start_device_thread()

    @property
    def budget(self) -> Budget:
        """What fits into a call. It shrinks when the device runs out of memory."""
        return self._budget

    def run(self, edit: Routine[R], before_call: Callable[[StageProgress], None]) -> R:
        """Run an edit to its end, alongside those of other threads.

        Args:
            edit: the generator.
            before_call: called on this thread before every request; raising from it ends the edit.

        Raises:
            OutOfMemory: the device has no room.
        """
        with self._changed:
            session = self._scheduler.enter()
        try:
            request = next(edit)
            while True:
                before_call(request.progress)
                request = edit.send(self._wait_for(session, request))
        except StopIteration as stop:
            result: R = stop.value
            return result
        finally:
            with self._changed:
                self._scheduler.leave(session)
                self._changed.notify()
            edit.close()

    def change(self, change: Callable[[], bool]) -> bool:
        """Change the model between two calls, and forget recorded ones if it did change.

        Args:
            change: changes the model, and returns whether it did.
        """

        def run() -> bool:
            changed = change()
            if changed:
                self._predictor.forget_graphs()
            return changed

        return self._device.submit(run).result()

    def close(self) -> None:
        """Drop recorded calls, and end the thread if no other model shares it. No edit runs."""
        self._device.submit(self._predictor.forget_graphs).result()
        if self._owns_thread:
            self._device.shutdown()

    def _wait_for(self, session: Session, request: Request | DeviceTask) -> Any:
        pending = PendingRequest(request)
        with self._changed:
            session.pending = pending
            self._changed.notify()
        # Every request submits a turn; one whose request was served in an earlier turn takes less.
        self._device.submit(self._take_turn)
        return pending.future.result()

    def _take_turn(self) -> None:
        with self._changed:
            if self._scheduler.any_pending():
                patience = WAIT_SHARE * self._last_seconds
                self._changed.wait_for(self._scheduler.all_pending, patience)
            batch = self._scheduler.take(self._budget)
        if batch:
            self._serve(batch)

    def _serve(self, batch: Sequence[PendingRequest]) -> None:
        """Serve requests together, or one by one if that fails, since one may be at fault."""
        try:
            results = self._compute(batch)
        except Exception as error:
            if len(batch) == 1:
                batch[0].future.set_exception(error)
                return
            for pending in batch:
                self._serve([pending])
            return
        for pending, result in zip(batch, results, strict=True):
            pending.future.set_result(result)

    def _compute(self, batch: Sequence[PendingRequest]) -> Sequence[Any]:
        requests = [one.request for one in batch if isinstance(one.request, Request)]
        if not requests:
            return [one.request.work() for one in batch if isinstance(one.request, DeviceTask)]
        merged = merge(requests)
        parts = self._budget.parts(merged)
        try:
            with memory_errors():
                return split(join([self._call(part, batch) for part in parts]), requests)
        except OutOfMemory:
            self._predictor.forget_graphs()  # they keep memory
            release_memory(self._predictor.device)
            self._budget = smaller = self._budget.halved(merged)
            if len(smaller.parts(merged)) == len(parts):
                raise  # it cannot be cut any smaller
            return self._compute(batch)

    def _call(self, part: Request, batch: Sequence[PendingRequest]) -> Prediction:
        started = time.perf_counter()
        prediction = self._predictor.answer(part)
        self._last_seconds = time.perf_counter() - started
        waited = started - min(pending.since for pending in batch)
        gradient = part.target is not None
        self._on_call(Call(len(batch), len(part), gradient, self._last_seconds, waited))
        return prediction
