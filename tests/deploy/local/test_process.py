"""The life of a managed process, with real processes."""

import sys
import time
from pathlib import Path

import psutil

from deploy.local.process import Command, ManagedProcess, describe_exit
from tests.support.commands import until

# Starts a child, writes both ids, and ignores SIGTERM.
STUBBORN = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
print(os.getpid(), child.pid, file=open(sys.argv[1], "w"), flush=True)
time.sleep(300)
"""


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == "zombie"


def test_a_stubborn_child_is_killed_with_all_that_it_started(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    process = ManagedProcess(
        Command("stubborn", [sys.executable, "-c", STUBBORN, str(pids)], stop_seconds=0.2)
    )
    until(lambda: pids.exists() and pids.read_text().endswith("\n"), "its process ids")

    process.stop()

    for pid in map(int, pids.read_text().split()):
        until(lambda pid=pid: gone(pid), "its end")


def test_restarts_come_more_slowly_each_time(tmp_path: Path) -> None:
    log = tmp_path / "starts"
    code = f"print(file=open({str(log)!r}, 'a'))"
    process = ManagedProcess(Command("short", [sys.executable, "-c", code]))
    started = time.monotonic()

    while process.exits < 3:
        process.keep_alive()
        time.sleep(0.01)

    assert time.monotonic() - started > 0.5 + 1.0
    assert len(log.read_text()) == 3
    process.stop()


def test_an_end_is_told_in_words() -> None:
    assert describe_exit(3) == "exit code 3"
    assert describe_exit(-9) == "signal 9 (Killed)"
