"""A server process that a test can break and restart at the same address."""

import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.waiting import PATIENCE, until


@dataclass(frozen=True)
class Host:
    """Where processes run: their address, and a prefix of every command line there."""

    address: str = "127.0.0.1"
    within: tuple[str, ...] = ()


LOOPBACK = Host()


class Server:
    """A server process, not started yet."""

    def __init__(
        self,
        command: Sequence[str | Path],
        answers: Callable[[], bool],
        *,
        env: Mapping[str, str] | None = None,
        host: Host = LOOPBACK,
    ):
        """Take its command line, and a function that returns whether it answers."""
        self._command = [*host.within, *command]
        self._name, self._answers, self._env = command[0], answers, env
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it on its earlier data, and wait until it answers."""
        self._process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, env=self._env)
        until(self._answers, f"{self._name} to answer", check=self._check_running)

    def _check_running(self) -> None:
        assert self._process is not None
        status = self._process.poll()
        assert status is None, f"{self._name} ended with status {status}"

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        """Kill it with SIGKILL, even while it is stopped."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it with SIGTERM."""
        if self._process is not None:
            self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> None:
        self.send(number)
        assert self._process is not None
        self._process.wait(PATIENCE)
