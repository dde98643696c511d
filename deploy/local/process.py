"""One process kept alive: started, restarted with back-off when it dies, stopped with a grace."""

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

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 10.0  # seconds before a restart; doubles in between
HEALTHY_SECONDS = 30.0  # a child that lived this long starts its back-off anew

_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None
_log = get_logger("deploy")


@dataclass(frozen=True)
class Command:
    """What to run, and what to look at when it does not stay up."""

    name: str
    argv: Sequence[str]
    hint: str = ""
    grace: float = 20.0  # seconds from SIGTERM to SIGKILL


class Child:
    """A command's process, the leader of a session (and so of a process group) of its own.

    Ctrl-C at the terminal therefore reaches only the stack, which stops its children in order.
    """

    def __init__(self, command: Command, *, keep_open: Sequence[int] = ()):
        """`keep_open`: file descriptors that the process inherits."""
        self.command = command
        self.deaths = 0
        self._pause = FIRST_PAUSE
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
            preexec_fn=_die_with(os.getpid()),  # noqa: PLW1509 - the stack has one thread
        )

    def tend(self) -> None:
        """Notice a death, and start the process again once its pause is over."""
        if self.process is not None:
            code = self.process.poll()
            if code is not None:
                self._died(code)
        elif time.monotonic() >= self._restart_at:
            self._start()

    def _died(self, code: int) -> None:
        self._sweep()
        if time.monotonic() - self._started_at > HEALTHY_SECONDS:
            self._pause = FIRST_PAUSE
        self.deaths += 1
        self._restart_at = time.monotonic() + self._pause
        _log.warning(
            f"{self.command.name} ended, starting it again",
            ended_with=how_it_ended(code),
            restart=self.deaths,
            pause=self._pause,
        )
        self._pause = min(2 * self._pause, LONGEST_PAUSE)

    def stop(self) -> None:
        """End the process: SIGTERM, a grace, SIGKILL. Nothing of its group is left."""
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(self.command.grace)
        except subprocess.TimeoutExpired:
            _log.warning(f"{self.command.name} does not stop, killing it", after=self.command.grace)
            self.process.kill()
            self.process.wait()
        self._sweep()

    def _sweep(self) -> None:
        """Kill what the ended process left in its group, then forget the process."""
        if self.process is not None:
            with suppress(ProcessLookupError, PermissionError):  # macOS: a group of zombies
                os.killpg(self.process.pid, signal.SIGKILL)
        self.process = None


def how_it_ended(code: int) -> str:
    """A `returncode` in words: "exit code 1" or "signal 9 (Killed)"."""
    return f"exit code {code}" if code >= 0 else f"signal {-code} ({signal.strsignal(-code)})"


def _die_with(parent: int) -> Callable[[], None] | None:
    """For `preexec_fn`: have the kernel end the child when the stack itself is killed.

    A stack ended by `kill -9` cannot stop anything, and its children would live on with no one
    to stop them. Linux alone offers this. The signal comes when the *thread* that forked ends,
    so children are started from the main thread only. It is SIGTERM, so that Valkey still writes
    its log and the worker hands its edit back.
    """
    if _libc is None:
        return None
    prctl = _libc.prctl

    def ask_the_kernel() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it was killed between fork and prctl
            os._exit(1)

    return ask_the_kernel
