"""Supervision of several processes from one thread: no locks, and one place for signals."""

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from core.telemetry.logs import get_logger
from deploy.local.errors import StartupFailed
from deploy.local.process import Command, ManagedProcess

TICK_SECONDS = 0.1
MAX_EXITS = 4  # of one process, before the stack is ready

Pause = Callable[[float], None]
"""Waits while processes are supervised; raises `Stopped` when a signal asks the stack to end."""

_log = get_logger("deploy")


class Stopped(Exception):
    """A signal asked the stack to end. Not an error, so not part of the error tree."""


class Supervisor:
    """Starts processes, keeps them alive during every pause, and stops them in reverse order."""

    def __init__(self, *, keep_open: Sequence[int] = ()):
        """Create a supervisor. Every process inherits the file descriptors in `keep_open`."""
        self.processes: list[ManagedProcess] = []
        self._keep_open = keep_open
        self._stopping = False

    def start(self, command: Command) -> None:
        """Start a process. Call this from the main thread only (see `_end_with_parent`)."""
        self.processes.append(ManagedProcess(command, keep_open=self._keep_open))
        _log.info(f"{command.name} started")

    def pause(self, seconds: float) -> None:
        """Wait while keeping the processes alive.

        Raises:
            Stopped: a signal asked the stack to end.
        """
        end = time.monotonic() + seconds
        while not self._stopping:
            for process in self.processes:
                process.keep_alive()
            left = end - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(TICK_SECONDS, left))
        raise Stopped

    def check_start(self) -> None:
        """Give up if a process keeps exiting before the stack is ready.

        Raises:
            StartupFailed: with a hint where to look.
        """
        for process in self.processes:
            if process.exits >= MAX_EXITS:
                name, hint = process.command.name, process.command.hint
                raise StartupFailed(f"{name} keeps exiting. See its own lines above. {hint}")

    @contextmanager
    def running(self) -> Iterator[None]:
        """Let signals end the next pause while inside; stop all processes at the end."""

        def stop(*_: object) -> None:
            self._stopping = True

        # The handlers stay until all has stopped: a second Ctrl-C must not leave half running.
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
        while self.processes:
            process = self.processes.pop()
            process.stop()
            _log.info(f"{process.command.name} stopped")
