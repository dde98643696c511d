"""The life of the stack: check, start, wait until ready, make a sample edit, serve, stop."""

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

from core.settings import REDIS_URL_FILE
from core.telemetry.logs import get_logger
from deploy.local import preflight, valkey
from deploy.local.errors import SampleFailed
from deploy.local.process import Command
from deploy.local.sample import first_sample, run_sample
from deploy.local.supervisor import Stopped, Supervisor

SAMPLES = Path(__file__).parents[2] / "zoo" / "samples"
LOG_SECONDS = 5.0  # between two equal lines while waiting

PROCESSES = (
    Command("housekeeper", [sys.executable, "-m", "housekeeper"]),
    Command(
        "worker",
        [sys.executable, "-m", "worker"],
        "Check BARET_MODEL (or BARET_MODELS), BARET_DEVICE and BARET_DTYPE.",
    ),
    Command(
        "api",
        [sys.executable, "-m", "api"],
        "If its port is in use, set BARET_PORT to another one.",
    ),
)

_log = get_logger("deploy")


@dataclass(frozen=True)
class Stack:
    """What to run and where. `__main__` takes the values from the settings."""

    host: str
    port: int
    data: Path  # absolute
    redis_url: str = ""  # empty: the embedded Valkey
    samples: Path | None = SAMPLES  # None: no sample edit
    processes: Sequence[Command] = PROCESSES  # in starting order

    @property
    def url(self) -> str:
        """Return the API's URL on this machine."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"


def run(stack: Stack, *, exit_after_sample: bool = False) -> None:
    """Run the stack until a signal, or with `exit_after_sample` until the sample edit is made.

    Raises:
        CannotStart: the port or the data folder is in use, or the folder is another user's.
        StartupFailed: a process did not stay up.
        SampleFailed: the sample edit failed, and `exit_after_sample` is set.
    """
    preflight.close_data_folder(stack.data)
    with preflight.lock_data_folder(stack.data) as lock:
        preflight.check_port(stack.host, stack.port)
        # Every process inherits the lock, so the folder stays locked until the last process that
        # writes to it has ended, even if this one is killed.
        supervisor = Supervisor(keep_open=[lock.fileno()])
        # No trust_env: requests to this machine must not go through a proxy.
        client = httpx.Client(base_url=stack.url, timeout=10, trust_env=False)
        try:
            with client, supervisor.running():
                _start(stack, supervisor)
                _wait_until_ready(client, supervisor)
                _make_sample_edit(stack, client, supervisor, must_succeed=exit_after_sample)
                if not exit_after_sample:
                    _serve(stack, supervisor)
        except Stopped:
            pass
        finally:
            _url_file(stack).unlink(missing_ok=True)
    _print(f"Stopped. The data is in {stack.data}")


def _url_file(stack: Stack) -> Path:
    return stack.data / REDIS_URL_FILE


def _start(stack: Stack, supervisor: Supervisor) -> None:
    # A killed stack may have left the file, and its URL would mislead other processes.
    _url_file(stack).unlink(missing_ok=True)
    if not stack.redis_url:
        command, url = valkey.configure(stack.data)
        supervisor.start(command)
        while not valkey.is_ready(url):
            supervisor.pause(0.1)
            supervisor.check_start()
        valkey.write_private(_url_file(stack), url)
    for command in stack.processes:
        supervisor.start(command)


def _wait_until_ready(client: httpx.Client, supervisor: Supervisor) -> None:
    """Wait for /readyz, however long the model takes to load, and log what is missing."""
    logged, logged_at = "", 0.0
    while missing := _missing(client):
        if missing != logged or time.monotonic() - logged_at > LOG_SECONDS:
            logged, logged_at = missing, time.monotonic()
            _log.info("not ready yet", missing=missing)
        supervisor.pause(0.5)
        supervisor.check_start()


def _missing(client: httpx.Client) -> str:
    """Return what is missing according to /readyz; empty if the service is ready."""
    try:
        response = client.get("/readyz")
    except httpx.HTTPError:
        return "the API does not answer yet"
    if response.is_success:
        return "" if response.json()["workers"] else "No worker has its model loaded yet."
    problem = response.json()
    return " ".join(one["detail"] for one in problem.get("errors", [problem]))


def _make_sample_edit(
    stack: Stack, client: httpx.Client, supervisor: Supervisor, *, must_succeed: bool
) -> None:
    try:
        sample = first_sample(stack.samples)
        _print(f"Sample edit: “{sample.caption}” → “{sample.prompt}”")
        result = run_sample(client, sample, folder=stack.data / "sample", pause=supervisor.pause)
    except SampleFailed as error:
        if must_succeed:
            raise
        _log.warning(str(error))  # the service itself may still work
        return
    _print(
        f"Done in {result.seconds:.1f} s",
        f"  before  {result.before}",
        f"  after   {result.after}",
        *(f"  note    {warning}" for warning in result.warnings),
    )


def _serve(stack: Stack, supervisor: Supervisor) -> None:
    _print(
        f"BARET is ready: {stack.url} (API reference: {stack.url}/docs)",
        f"  data    {stack.data}",
        "  stop    Ctrl-C",
    )
    while True:
        supervisor.pause(60)


def _print(*lines: str) -> None:
    """Print to stdout, for the person at the terminal. Logs go to stderr."""
    print(*lines, sep="\n", flush=True)
