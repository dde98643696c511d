"""The stack's life: checks, start, ready, sample edit, serve, stop."""

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
SPEAK_SECONDS = 5.0

PROCESSES = (
    Command("housekeeper", [sys.executable, "-m", "housekeeper"]),
    Command(
        "worker",
        [sys.executable, "-m", "worker"],
        "Settings that it reads: BARET_MODEL, BARET_DEVICE, BARET_DTYPE.",
    ),
    Command(
        "api",
        [sys.executable, "-m", "api"],
        "If its port is taken, set BARET_PORT to another one.",
    ),
)

_log = get_logger("deploy")


@dataclass(frozen=True)
class Stack:
    """What to run where: plain values, read from the settings by `__main__`."""

    host: str
    port: int
    data: Path  # absolute
    redis_url: str = ""  # empty: the embedded Valkey
    samples: Path | None = SAMPLES  # None: no sample edit
    processes: Sequence[Command] = PROCESSES  # in the order of their start

    @property
    def url(self) -> str:
        """Where the API answers on this machine."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"


def run(stack: Stack, *, exit_after_sample: bool = False) -> None:
    """Run the stack until a signal comes, or until the sample edit has succeeded.

    Raises:
        CannotStart: a port or the data folder is in use.
        KeepsDying: a child did not come up.
        SampleFailed: the sample edit failed and was all that was asked for.
    """
    with preflight.data_folder(stack.data) as lock:
        preflight.port(stack.host, stack.port)
        # Every child inherits the lock, so the folder stays refused to another stack until the
        # last process that writes there is gone, even when this one is killed.
        supervisor = Supervisor(keep_open=[lock.fileno()])
        # trust_env: a proxy set for the internet is not asked for this machine.
        client = httpx.Client(base_url=stack.url, timeout=10, trust_env=False)
        try:
            with client, supervisor.running():
                _start(stack, supervisor)
                _wait_until_ready(client, supervisor)
                _first_edit(stack, client, supervisor, must_succeed=exit_after_sample)
                if not exit_after_sample:
                    _serve(stack, supervisor)
        except Stopped:
            pass
        finally:
            _url_note(stack).unlink(missing_ok=True)
    _say(f"Stopped. The data stays in {stack.data}")


def _url_note(stack: Stack) -> Path:
    return stack.data / REDIS_URL_FILE


def _start(stack: Stack, supervisor: Supervisor) -> None:
    # A note left by a stack that was killed would win no contest, but would mislead.
    _url_note(stack).unlink(missing_ok=True)
    if not stack.redis_url:
        command, url = valkey.prepare(stack.data)
        supervisor.start(command)
        while not valkey.answers(url):
            supervisor.pause(0.1)
            supervisor.check_start()
        valkey.write_private(_url_note(stack), url)
    for command in stack.processes:
        supervisor.start(command)


def _wait_until_ready(client: httpx.Client, supervisor: Supervisor) -> None:
    """Wait for /readyz, however long the model takes, saying what is missing."""
    said, said_at = "", 0.0
    while missing := _missing(client):
        if missing != said or time.monotonic() - said_at > SPEAK_SECONDS:
            said, said_at = missing, time.monotonic()
            _log.info("not ready yet", missing=missing)
        supervisor.pause(0.5)
        supervisor.check_start()


def _missing(client: httpx.Client) -> str:
    """What /readyz still lacks; empty when it lacks nothing."""
    try:
        answer = client.get("/readyz")
    except httpx.HTTPError:
        return "the API does not answer yet"
    if answer.is_success:
        return ""
    problem = answer.json()
    return " ".join(one["detail"] for one in problem.get("errors", [problem]))


def _first_edit(
    stack: Stack, client: httpx.Client, supervisor: Supervisor, *, must_succeed: bool
) -> None:
    try:
        sample = first_sample(stack.samples)
        _say(f"Sample edit: “{sample.caption}” → “{sample.prompt}”")
        outcome = run_sample(client, sample, folder=stack.data / "sample", pause=supervisor.pause)
    except SampleFailed as error:
        if must_succeed:
            raise
        _log.warning(str(error))  # the service itself may be fine
        return
    _say(
        f"Done in {outcome.seconds:.1f} s",
        f"  before  {outcome.before}",
        f"  after   {outcome.after}",
        *(f"  note    {warning}" for warning in outcome.warnings),
    )


def _serve(stack: Stack, supervisor: Supervisor) -> None:
    _say(
        f"BARET is ready: {stack.url} (API reference: {stack.url}/docs)",
        f"  data    {stack.data}",
        "  stop    Ctrl-C",
    )
    while True:
        supervisor.pause(60)


def _say(*lines: str) -> None:
    """To the person at the terminal; logs go to stderr, this to stdout."""
    print(*lines, sep="\n", flush=True)
