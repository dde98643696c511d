"""The one-machine stack as a process, started as a user would start it."""

import subprocess
import sys
import time
from pathlib import Path

import psutil

from tests.support.waiting import PATIENCE, until

ROOT = Path(__file__).parents[2]


class RunningStack:
    """The process, its output so far, and its children."""

    def __init__(self, data: Path, port: int, *chosen: str):
        self.data, self.port = data, port
        self._output = data.parent / f"output-{time.monotonic_ns()}.txt"
        with self._output.open("wb") as file:
            self.process = psutil.Popen(
                [
                    sys.executable,
                    "-m",
                    "tests.deploy.local.stand_in_stack",
                    str(data),
                    str(port),
                    *chosen,
                ],
                cwd=ROOT,
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        self.family: list[psutil.Process] = []

    @property
    def output(self) -> str:
        return self._output.read_text()

    def says(self, text: str) -> None:
        until(lambda: text in self.output or self.process.poll() is not None, repr(text))
        assert text in self.output, self.output

    def ready(self) -> "RunningStack":
        self.says("BARET is ready")
        self.note_family()
        return self

    def note_family(self) -> None:
        self.family += self.process.children(recursive=True)

    def child(self, part: str) -> psutil.Process:
        """Wait for a child whose command line contains this, and return it."""
        found: list[psutil.Process] = []

        def look() -> bool:
            found[:] = [one for one in self.process.children() if part in _command_line(one)]
            return bool(found)

        until(look, f"a child {part}")
        return found[0]

    def ends(self) -> int:
        return int(self.process.wait(PATIENCE))

    def living(self) -> list[psutil.Process]:
        """Return the noted processes that still run."""
        return [one for one in self.family if one.is_running() and one.status() != "zombie"]


def _command_line(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""
