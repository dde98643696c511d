"""A shell for the commands of the pages, in which `baret` is this checkout's."""

import os
import subprocess
import sys
from pathlib import Path

from tests.support.commands import ROOT
from tests.support.waiting import PATIENCE


def shell_environment(programs: Path, server: str) -> dict[str, str]:
    """Return the variables of a shell whose programs `baret` and `python` are ours.

    Args:
        programs: an empty folder for them, which is also the home.
        server: the service that `baret` asks.
    """
    for name, what in (("baret", f"{sys.executable} -m cli"), ("python", sys.executable)):
        program = programs / name
        program.write_text(f'#!/bin/sh\nexec {what} "$@"\n')
        program.chmod(0o755)
    return {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "HOME": str(programs),
        "PYTHONPATH": f"{ROOT}:{ROOT / 'client'}",
        "BARET_SERVER": server,
        "BARET_DATA_DIR": str(programs / "data"),
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
    }


def run_in_shell(
    code: str, folder: Path, environment: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run commands in a folder; the first that fails ends them."""
    return subprocess.run(
        ["/bin/bash", "-euo", "pipefail", "-c", code],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
