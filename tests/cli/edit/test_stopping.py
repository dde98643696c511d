"""Ctrl-C and SIGTERM end the command, and what it has begun on the server too."""

import os
import pty
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from baret_client import Client

from cli.edit.batch import THREAD
from cli.errors import ExitCode
from tests.support.commands import ROOT
from tests.support.samples import LONG, SAMPLES
from tests.support.waiting import PATIENCE, until

TEXT = "a dog that sits"


@pytest.fixture(autouse=True)
def interruptible() -> Iterator[None]:
    """Heed Ctrl-C even if the tests run in the background, where shells ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@contextmanager
def signalled(number: signal.Signals, when: Callable[[], Any]) -> Iterator[None]:
    """Send this process a signal once `when` returns something true."""

    def send() -> None:
        until(when, "the moment to stop")
        os.kill(os.getpid(), number)

    thread = threading.Thread(target=send)
    thread.start()
    yield
    thread.join()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_edits_on_the_server_are_canceled(
    baret: Any, server: str, folder: Path, number: signal.Signals
) -> None:
    with Client(server) as client:
        both = lambda: len(list(client.edits.list(status="queued"))) == 2  # noqa: E731
        with signalled(number, both):
            done = baret("edit", "holiday", TEXT, "-o", "new/", "--server", server)
        assert (done.status, done.out) == (ExitCode.STOPPED, b"")
        assert done.err.strip() == "baret: stopped"
        assert [edit.status for edit in client.edits.list()] == ["canceled", "canceled"]
    assert not list(Path("new").glob("*.png"))


def test_an_edit_made_here_ends_at_its_next_step(baret: Any, tmp_path: Path) -> None:
    (tmp_path / "cat.png").write_bytes((SAMPLES / "00-posture.png").read_bytes())
    options = [text for name, value in LONG.items() for text in ("-p", f"{name}={value}")]
    with signalled(signal.SIGINT, lambda: any(one.name == THREAD for one in threading.enumerate())):
        done = baret("edit", "cat.png", TEXT, *options)
    assert done.status == ExitCode.STOPPED
    assert not Path("cat-edited.png").exists()


def test_a_terminal_shows_how_far_the_edit_is(server: str, photo: Path, tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "cli", "edit", "dog.png", TEXT, "--server", server]
    environment = {"PYTHONPATH": f"{ROOT}:{ROOT / 'client'}", "TERM": "xterm", "COLUMNS": "120"}
    process = subprocess.Popen(
        command, cwd=tmp_path, env={"PATH": "", **environment}, stderr=theirs
    )
    shown = ""
    try:
        while "waits for a worker" not in shown:
            shown += os.read(ours, 4096).decode()
        assert "dog.png" in shown
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == ExitCode.STOPPED
    finally:
        process.kill()
        os.close(theirs)
        os.close(ours)
    with Client(server) as client:
        assert [edit.status for edit in client.edits.list()] == ["canceled"]
