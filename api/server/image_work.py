"""Decoding and encoding of images in shares: what takes long goes on beside what does not.

How long a caller's image takes to decode is known only afterwards. So each begins in a quick pool.
One that has computed for a second moves to the slow pool and gives its quick slot to the next. If
the slow pool has no slot for it, it is killed and begins again there in its turn.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from anyio import CapacityLimiter, to_thread

from api.server.fair_share import FairShare
from core.images.sandbox import SandboxControl

T = TypeVar("T")

# Of CPU time; on a busy machine a process may wait for much longer than it computes.
QUICK_SECONDS = 1.0
LOOKS = 10  # at the CPU time, in QUICK_SECONDS
MIN_SECONDS = 0.01  # that an image costs its caller: the system counts in steps of this

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
            with _killing_if_canceled(control), self._costing(self.quick, caller, running, control):
                if is_slow is None:
                    await self._wait_quickly(running, control)
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
            return await self._finish_slowly(caller, running, control)
        finally:
            self.slow.release(caller)

    async def _run_slowly(self, caller: str, work: Work[T]) -> T:
        async with self.slow.slot(caller):
            control = SandboxControl(SLOW_NICE)
            return await self._finish_slowly(caller, self._start(work, control), control)

    async def _finish_slowly(
        self, caller: str, running: "asyncio.Task[T]", control: SandboxControl
    ) -> T:
        with _killing_if_canceled(control), self._costing(self.slow, caller, running, control):
            await asyncio.wait({running})
        return running.result()

    async def _wait_quickly(self, running: "asyncio.Task[T]", control: SandboxControl) -> None:
        """Wait until the work is done, or has computed for too long."""
        while not running.done() and control.cpu_seconds() < self._quick_seconds:
            await asyncio.wait({running}, timeout=self._quick_seconds / LOOKS)

    @contextmanager
    def _costing(
        self, pool: FairShare, caller: str, running: "asyncio.Task[T]", control: SandboxControl
    ) -> Iterator[None]:
        """Let work that ends inside cost its caller what it computed, and any other its time.

        On a busy machine a small photo takes long, too. Its caller must not look like one who needs
        a lot, and be put behind those who do.
        """
        began_at, before = time.monotonic(), control.cpu_seconds()
        try:
            yield
        finally:
            if running.done():
                computed = max(MIN_SECONDS, control.cpu_seconds() - before)
                pool.refund(caller, max(0.0, time.monotonic() - began_at - computed))

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
