"""Children kept alive together, all from one thread: no locks, and signals have one place."""

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from core.telemetry.logs import get_logger
from deploy.local.errors import KeepsDying
from deploy.local.process import Child, Command

TICK_SECONDS = 0.1
MAX_DEATHS = 4  # of one child, before the stack is ready

Pause = Callable[[float], None]
"""Waits while the children are tended; raises `Stopped` when a signal asks the stack to end."""

_log = get_logger("deploy")


class Stopped(Exception):
    """A signal asked the stack to end: not an error, so not of the error tree."""


class Supervisor:
    """Starts children, tends them during every pause, stops them in reverse order."""

    def __init__(self, *, keep_open: Sequence[int] = ()):
        """`keep_open`: file descriptors that every child inherits."""
        self.children: list[Child] = []
        self._keep_open = keep_open
        self._stopping = False

    def start(self, command: Command) -> None:
        """Start a child. From the main thread only (see `child._die_with`)."""
        self.children.append(Child(command, keep_open=self._keep_open))
        _log.info(f"{command.name} started")

    def pause(self, seconds: float) -> None:
        """Wait, tending the children.

        Raises:
            Stopped: a signal came.
        """
        until = time.monotonic() + seconds
        while not self._stopping:
            for child in self.children:
                child.tend()
            left = until - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(TICK_SECONDS, left))
        raise Stopped

    def check_start(self) -> None:
        """While the stack comes up, a child that keeps dying is an error, not a thing to mend.

        Raises:
            KeepsDying: with what to look at.
        """
        for child in self.children:
            if child.deaths >= MAX_DEATHS:
                name, hint = child.command.name, child.command.hint
                raise KeepsDying(f"{name} keeps ending; its own lines above say why. {hint}")

    @contextmanager
    def running(self) -> Iterator[None]:
        """Inside, signals end the next pause; at the end, whatever happened, all are stopped."""

        def stop(*_: object) -> None:
            self._stopping = True

        # The handlers stay for the whole stop: a second Ctrl-C must not leave half of it running.
        signals = [signal.SIGINT, signal.SIGTERM]
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # `nohup` keeps its meaning
            signals.append(signal.SIGHUP)
        before = {number: signal.signal(number, stop) for number in signals}
        try:
            yield
        finally:
            self._stop()
            for number, handler in before.items():
                signal.signal(number, handler)

    def _stop(self) -> None:
        while self.children:
            child = self.children.pop()
            child.stop()
            _log.info(f"{child.command.name} stopped")
