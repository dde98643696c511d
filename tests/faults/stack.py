"""The whole service as processes, with Valkey, each of which a test can break and restart."""

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from core.broker.app import make_celery, signal_waiting
from deploy.local import valkey
from tests.support.server import Server
from tests.support.service import SMALL_WORKER, Process, Service


class Valkey(Server):
    """The server as the one-machine stack configures it: with an append-only file, no eviction."""

    def __init__(self, data: Path):
        command, self.url = valkey.configure(data)
        super().__init__(command.argv, lambda: valkey.is_ready(self.url))


class Stack(Service):
    """The service with workers that fail on request (`tests.faults.stub`)."""

    def __init__(self, data: Path, **settings: str):
        """Take the environment variables of every process."""
        self._replaces_workers = False
        self.valkey = Valkey(data)
        self.valkey.start()
        super().__init__(data, self.valkey.url, worker=SMALL_WORKER, **settings)

    def kill(self, process: Process) -> None:
        """Kill a process with SIGKILL."""
        process.send(signal.SIGKILL)
        process.ends()

    def stop(self) -> None:
        """End everything."""
        self.valkey.send(signal.SIGCONT)
        super().stop()
        self.valkey.stop()

    def check_alive(self) -> None:
        """Fail if a process has ended that nothing replaces."""
        if not self._replaces_workers:
            super().check_alive()

    @contextmanager
    def replacing_workers(self, count: int = 2) -> Iterator[list[Process]]:
        """Replace workers that die at once, as a supervisor does; yield the dead ones."""
        dead: list[Process] = []
        over = threading.Event()

        def replace() -> None:
            while not over.wait(0.1):
                dead.extend(worker for worker in self.workers if not worker.lives)
                self.workers = [worker for worker in self.workers if worker.lives]
                while len(self.workers) < count:
                    self.start_worker()

        self._replaces_workers = True
        thread = threading.Thread(target=replace)
        thread.start()
        try:
            yield dead
        finally:
            over.set()
            thread.join()
            self._replaces_workers = False

    @contextmanager
    def holding_edits(self) -> Iterator[str]:
        """Hold edits in their editing stage; yield the value of their `hold` metadata.

        They go on when the block ends. Until then they run, however slow or fast the machine is.
        """
        file = self.data / f"hold-{uuid4().hex}"
        file.touch()
        try:
            yield str(file)
        finally:
            file.unlink()

    def wait_until_held(self, edit_ids: Sequence[str], *, count: int) -> None:
        """Wait until so many of these edits are held; as many as there are workers can be."""

        def look() -> bool:
            return [self.edit(one)["stage"] for one in edit_ids].count("editing") >= count

        self.until(look, f"{count} edits to be held")

    def resend_messages(self, edit_ids: Sequence[str], times: int) -> None:
        """Send the message of each edit again, so many times."""
        app = make_celery(self.valkey.url)
        for edit_id in edit_ids:
            for _ in range(times):
                signal_waiting(app, "zoo", edit_id)
        app.close()

    def start_housekeeper(self) -> None:
        """Start a housekeeper in place of a dead one."""
        self.housekeeper = self._start("housekeeper", "housekeeper")

    @contextmanager
    def second_housekeeper(self) -> Iterator[None]:
        """Run a second housekeeper."""
        second = self._start("housekeeper", "housekeeper")
        try:
            yield
        finally:
            second.stop()


@contextmanager
def running_stack(data: Path, *, workers: int = 2, **settings: str) -> Iterator[Stack]:
    """Run a stack on its own data; nothing of it is left afterwards."""
    data.mkdir(parents=True, exist_ok=True)
    stack = Stack(data, **settings)
    try:
        for _ in range(workers):
            stack.start_worker()
        stack.start()
        if workers:
            stack.have_workers(workers)
        yield stack
    finally:
        stack.stop()
