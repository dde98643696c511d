"""Calls that several callers want at once, made once."""

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from dataclasses import dataclass
from typing import Any


@dataclass
class _Running:
    task: "asyncio.Task[Any]"
    waiting: int = 0


class SharedCalls:
    """Calls in progress, by what they ask for; used in one event loop only."""

    def __init__(self) -> None:
        self._running: dict[Hashable, _Running] = {}

    async def call(self, wanted: Hashable, call: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        """Return what the call returns: one in progress that asks for the same, or a new one.

        It is canceled once all who wait for it are.

        Raises:
            as the call.
        """
        running = self._running.get(wanted)
        # One that is done may not be forgotten yet. Who calls again and again would get its result
        # at once each time, so the event loop would not go on, and it would never be forgotten.
        if running is None or running.task.done():
            running = self._running[wanted] = _Running(asyncio.create_task(call()))
            running.task.add_done_callback(lambda _: self._forget(wanted, running))
        running.waiting += 1
        try:
            return await asyncio.shield(running.task)
        finally:
            running.waiting -= 1
            if not running.waiting and not running.task.done():
                running.task.cancel()
                self._forget(wanted, running)  # the next to ask must not wait for this one

    def _forget(self, wanted: Hashable, running: _Running) -> None:
        if self._running.get(wanted) is running:
            del self._running[wanted]
