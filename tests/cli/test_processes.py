"""`baret up` and `baret worker` become the processes that they start."""

import os
import socket
import subprocess
import sys
from pathlib import Path

from tests.support.commands import ROOT
from tests.support.waiting import PATIENCE


def run(*arguments: str, folder: Path, **settings: str) -> "subprocess.CompletedProcess[str]":
    ours = {name: text for name, text in os.environ.items() if not name.startswith("BARET_")}
    return subprocess.run(
        [sys.executable, "-m", "cli", *arguments],
        cwd=folder,
        env=ours | {"PYTHONPATH": f"{ROOT}:{ROOT / 'client'}"} | settings,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def test_the_stack_gets_the_port_and_the_folder(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = run("up", "--port", str(port), "--data", "here", folder=tmp_path)
    assert done.returncode == 1
    assert f"port {port}" in done.stderr + done.stdout
    assert (tmp_path / "here").is_dir()


def test_a_worker_gets_the_settings_of_the_environment(tmp_path: Path) -> None:
    done = run("worker", "--device", "cpu", folder=tmp_path, BARET_QUEUE_LIMIT="many")
    assert done.returncode == 1
    assert "queue_limit" in done.stderr
    assert "Traceback" not in done.stderr
