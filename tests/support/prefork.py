"""`python -m tests.support.prefork`: starts programs by forking a process that has imported torch.

A worker spends eight seconds of CPU time on importing torch and diffusers, and tests start and kill
dozens of workers. Everything else is as with `python -m worker`: its own process, environment,
arguments, signals and exit status.
"""

import atexit
import json
import os
import runpy
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path

from tests.support.commands import ROOT
from tests.support.waiting import until


class ForkedProcess:
    """A module that runs as a program; has what tests use of `subprocess.Popen`."""

    def __init__(self, module: str, log: Path, env: Mapping[str, str], *arguments: str):
        self._status = log.with_suffix(".status")
        self._status.unlink(missing_ok=True)  # of one that ran before
        given = {
            "program": [module, *arguments],
            "log": str(log),
            "env": dict(env),
            "status": str(self._status),
        }
        with _LOCK:
            self.pid = int(_prefork().ask(json.dumps(given)))

    def poll(self) -> int | None:
        """Return the exit status if the process has ended."""
        return int(self._status.read_text()) if self._status.exists() else None

    def wait(self, timeout: float) -> int:
        """Wait until the process ends, and return its exit status.

        Raises:
            subprocess.TimeoutExpired: it has not ended.
        """
        try:
            until(lambda: self.poll() is not None, "a worker to end", seconds=timeout)
        except AssertionError as error:
            raise subprocess.TimeoutExpired(str(self._status), timeout) from error
        return int(self._status.read_text())

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal unless the process has ended."""
        if self.poll() is None:
            with suppress(ProcessLookupError):  # it has just ended
                os.kill(self.pid, number)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)


class _Prefork:
    """The process that is forked. It ends when its input does."""

    def __init__(self) -> None:
        env = {name: text for name, text in os.environ.items() if not name.startswith("BARET_")}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.prefork"],
            cwd=ROOT,
            env=env | {"OMP_NUM_THREADS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        atexit.register(self._end)

    def ask(self, line: str) -> str:
        """Send a line, and return the line that it answers."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        return self._process.stdout.readline()

    def _end(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait()


_prefork = cache(_Prefork)
_LOCK = threading.Lock()  # one line and its answer at a time


def _serve() -> str:
    """Fork a process for each line of the input; return, in each, the module that it runs."""
    for line in sys.stdin:
        given = json.loads(line)
        if not os.fork():
            return _become(**given)
    os._exit(0)


def _become(program: list[str], log: str, env: dict[str, str], status: str) -> str:
    """Fork once more: the parent notes the child's exit status, and the child is the module's."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if pid := os.fork():
        print(pid, flush=True)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        unfinished = Path(f"{status}.part")
        unfinished.write_text(str(code))
        unfinished.replace(status)
        os._exit(0)
    for name, flags, number in (
        (os.devnull, os.O_RDONLY, 0),
        (log, os.O_WRONLY | os.O_APPEND, 1),
        (log, os.O_WRONLY | os.O_APPEND, 2),
    ):
        os.dup2(os.open(name, flags), number)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(env)
    sys.argv = program
    return program[0]


if __name__ == "__main__":
    import worker.process  # noqa: F401 - the imports are the purpose
    from tests.support.small_model import small_model

    small_model()  # imports what only loading a model needs
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # what is forked leaves no zombie
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the tests, which end the rest
    runpy.run_module(_serve(), run_name="__main__", alter_sys=True)
