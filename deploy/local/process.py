"""A process kept alive: restarted with back-off when it exits, stopped gracefully."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from core.telemetry.logs import get_logger

MIN_BACKOFF, MAX_BACKOFF = 0.5, 10.0  # seconds before a restart; doubles each time
HEALTHY_SECONDS = 30.0  # a process that ran this long resets its back-off

_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None
_log = get_logger("deploy")


@dataclass(frozen=True)
class Command:
    """What to run, and a hint for the case that it does not stay up."""

    name: str
    argv: Sequence[str]
    hint: str = ""
    stop_seconds: float = 20.0  # from SIGTERM to SIGKILL


class ManagedProcess:
    """A command's process, the leader of its own session and process group.

    Ctrl-C at the terminal therefore reaches only the stack, which stops its processes in order.
    """

    def __init__(self, command: Command, *, keep_open: Sequence[int] = ()):
        """Start the process. It inherits the file descriptors in `keep_open`."""
        self.command = command
        self.exits = 0
        self._backoff = MIN_BACKOFF
        self._keep_open = tuple(keep_open)
        self._restart_at = 0.0
        self._start()

    def _start(self) -> None:
        self._started_at = time.monotonic()
        self.process: subprocess.Popen[bytes] | None = subprocess.Popen(
            self.command.argv,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            pass_fds=self._keep_open,
            preexec_fn=_end_with_parent(os.getpid()),  # noqa: PLW1509 - the stack has one thread
        )

    def keep_alive(self) -> None:
        """Notice if the process has exited, and restart it once its back-off is over."""
        if self.process is not None:
            code = self.process.poll()
            if code is not None:
                self._handle_exit(code)
        elif time.monotonic() >= self._restart_at:
            self._start()

    def _handle_exit(self, code: int) -> None:
        self._kill_group()
        if time.monotonic() - self._started_at > HEALTHY_SECONDS:
            self._backoff = MIN_BACKOFF
        self.exits += 1
        self._restart_at = time.monotonic() + self._backoff
        _log.warning(
            f"{self.command.name} exited, restarting it",
            reason=describe_exit(code),
            restart=self.exits,
            backoff=self._backoff,
        )
        self._backoff = min(2 * self._backoff, MAX_BACKOFF)

    def stop(self) -> None:
        """Stop the process: SIGTERM, then SIGKILL after a while. Kill the rest of its group."""
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(self.command.stop_seconds)
        except subprocess.TimeoutExpired:
            seconds = self.command.stop_seconds
            _log.warning(f"{self.command.name} does not stop, killing it", after=seconds)
            self.process.kill()
            self.process.wait()
        self._kill_group()

    def _kill_group(self) -> None:
        """Kill what the exited process left in its group, then forget the process."""
        if self.process is not None:
            with suppress(ProcessLookupError, PermissionError):  # macOS: a group of zombies
                os.killpg(self.process.pid, signal.SIGKILL)
        self.process = None


def describe_exit(code: int) -> str:
    """Return a `returncode` in words: "exit code 1" or "signal 9 (Killed)"."""
    return f"exit code {code}" if code >= 0 else f"signal {-code} ({signal.strsignal(-code)})"


def _end_with_parent(parent: int) -> Callable[[], None] | None:
    """Return a `preexec_fn` that makes the kernel end the process when the stack dies.

    A stack ended by `kill -9` cannot stop its processes, and they would live on. Only Linux offers
    this. The signal is sent when the *thread* that forked ends, so processes must be started from
    the main thread. It is SIGTERM, so that Valkey still writes its log and the worker hands its
    edit back.
    """
    if _libc is None:
        return None
    prctl = _libc.prctl

    def set_death_signal() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # the parent died between fork and prctl
            os._exit(1)

    return set_death_signal
