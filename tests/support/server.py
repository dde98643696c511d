"""A server as a process of its own, which can be broken and comes back at the same address."""

import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.support.waiting import PATIENCE, until


class Server:
    """Not started yet."""

    def __init__(
        self,
        command: Sequence[str | Path],
        answers: Callable[[], bool],
        *,
        env: Mapping[str, str] | None = None,
    ):
        """Take how it is run, and how it is seen that it answers."""
        self._command, self._answers, self._env = command, answers, env
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, on the data that it left, and wait for it."""
        self._process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, env=self._env)
        until(self._answers, f"{self._command[0]} to answer")

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        """`kill -9`, also where it was stopped."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it politely."""
        if self._process is not None:
            self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> None:
        self.send(number)
        assert self._process is not None
        self._process.wait(PATIENCE)
