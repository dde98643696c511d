"""Decoding and encoding of images in shares: what takes long goes on beside what does not.

How long a caller's image takes to decode is known only afterwards. So each begins in a quick pool.
One that has computed for a second moves to the slow pool and gives its quick slot to the next. If
the slow pool has no slot for it, it is killed and begins again there in its turn.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from anyio import CapacityLimiter, to_thread

from api.server.fair_share import FairShare
from core.images.sandbox import SandboxControl

T = TypeVar("T")

QUICK_SECONDS = 1.0  # of CPU time; on a busy machine a process may wait for longer than it computes
PATIENT_FACTOR = 10  # so many times as long at most by the clock, …
CROWDED_FACTOR = 2  # … and while others wait for the slot of a caller that is not light
LOOKS = 10  # at the CPU time, in QUICK_SECONDS

# How much nicer than the API a process is: work of callers that are not known to need little, and
# slow work, gets the time that nothing else needs.
LIGHT_NICE, QUICK_NICE, SLOW_NICE = 0, 10, 19

# Blocks while a process of the sandbox works on an image.
Work = Callable[[SandboxControl], T]


class ImageWork:
    """Runs blocking work on images, each in a process of the sandbox, in fair shares."""

    def __init__(self, quick: FairShare, slow: FairShare, *, quick_seconds: float = QUICK_SECONDS):
        """Take the two pools, and how long work may compute in the first."""
        self.quick, self.slow = quick, slow
        self._quick_seconds = quick_seconds
        # The pools limit the threads; this only keeps them apart from those of other requests.
        self._threads = CapacityLimiter(2 * (quick.limits.slots + slow.limits.slots))

    async def run(self, caller: str, work: Work[T], *, is_slow: bool | None = None) -> T:
        """Return what the work returns. If this is canceled, its process is killed.

        Args:
            caller: whose share it is.
            work: may be called twice: what was killed begins again.
            is_slow: whether it takes long; None if that is not known.

        Raises:
            RateLimited, Overloaded: as `FairShare.slot`.
            as `work`.
        """
        if is_slow:
            return await self._run_slowly(caller, work)
        async with self.quick.slot(caller):
            is_light = is_slow is False or self.quick.is_light(caller)
            control = SandboxControl(LIGHT_NICE if is_light else QUICK_NICE)
            running = self._start(work, control)
            with _killing_if_canceled(control):
                if is_slow is None:
                    await self._wait_quickly(running, control, is_light=is_light)
                else:
                    await asyncio.wait({running})
            is_done = running.done()
            moves = not is_done and self.slow.try_acquire(caller)
        if is_done:
            return running.result()
        if not moves:
            control.kill()
            return await self._run_slowly(caller, work)
        try:
            control.slow_down(SLOW_NICE)
            with _killing_if_canceled(control):
                return await running
        finally:
            self.slow.release(caller)

    async def _wait_quickly(
        self, running: "asyncio.Task[T]", control: SandboxControl, *, is_light: bool
    ) -> None:
        """Wait until the work is done, or has held its slot for too long."""
        for looks in range(PATIENT_FACTOR * LOOKS):
            is_crowded = self.quick.waiting and not is_light and looks >= CROWDED_FACTOR * LOOKS
            if is_crowded or control.cpu_seconds() >= self._quick_seconds:
                return
            done, _ = await asyncio.wait({running}, timeout=self._quick_seconds / LOOKS)
            if done:
                return

    async def _run_slowly(self, caller: str, work: Work[T]) -> T:
        async with self.slow.slot(caller):
            control = SandboxControl(SLOW_NICE)
            with _killing_if_canceled(control):
                return await self._start(work, control)

    def _start(self, work: Work[T], control: SandboxControl) -> "asyncio.Task[T]":
        running = asyncio.create_task(
            to_thread.run_sync(work, control, limiter=self._threads, abandon_on_cancel=True)
        )
        running.add_done_callback(_note_outcome)
        return running


@contextmanager
def _killing_if_canceled(control: SandboxControl) -> Iterator[None]:
    try:
        yield
    except asyncio.CancelledError:
        control.kill()
        raise


def _note_outcome(task: "asyncio.Task[object]") -> None:
    """Mark a task's error as seen: nobody waits for work that was killed."""
    if not task.cancelled():
        task.exception()
