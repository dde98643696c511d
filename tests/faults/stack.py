"""The whole service as processes, Valkey among them, each of which can be broken and mended."""

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from core.broker.app import make_celery, signal_waiting
from deploy.local import valkey
from tests.support.server import Server
from tests.support.service import Process, Service


class Valkey(Server):
    """The server as the one-machine stack configures it: append-only file, no eviction."""

    def __init__(self, data: Path):
        command, self.url = valkey.prepare(data)
        super().__init__(command.argv, lambda: valkey.answers(self.url))


class Stack(Service):
    """The service with workers that come to harm on request."""

    def __init__(self, data: Path, **settings: str):
        """`settings` are environment variables of every process."""
        self.valkey = Valkey(data)
        self.valkey.start()
        super().__init__(data, self.valkey.url, worker="tests.faults.stub", **settings)

    def kill(self, process: Process) -> None:
        """`kill -9`."""
        process.send(signal.SIGKILL)
        process.ends()

    def stop(self) -> None:
        """End everything."""
        self.valkey.send(signal.SIGCONT)
        super().stop()
        self.valkey.stop()

    @contextmanager
    def tended(self, workers: int = 2) -> Iterator[list[Process]]:
        """Inside, workers that die are replaced at once, as a supervisor does; gives the dead."""
        dead: list[Process] = []
        over = threading.Event()

        def tend() -> None:
            while not over.wait(0.1):
                dead.extend(worker for worker in self.workers if not worker.lives)
                self.workers = [worker for worker in self.workers if worker.lives]
                while len(self.workers) < workers:
                    self.start_worker()

        thread = threading.Thread(target=tend)
        thread.start()
        try:
            yield dead
        finally:
            over.set()
            thread.join()

    def signal(self, edit_ids: Sequence[str], times: int) -> None:
        """Send the message of each edit so many times more."""
        app = make_celery(self.valkey.url)
        for edit_id in edit_ids:
            for _ in range(times):
                signal_waiting(app, "zoo", edit_id)
        app.close()

    def start_housekeeper(self) -> None:
        """Start a housekeeper in the place of one that is dead."""
        self.housekeeper = self._start("housekeeper", "housekeeper")

    @contextmanager
    def second_housekeeper(self) -> Iterator[None]:
        """Inside, there are two."""
        second = self._start("housekeeper", "housekeeper")
        try:
            yield
        finally:
            second.stop()


@contextmanager
def running_stack(data: Path, *, workers: int = 2, **settings: str) -> Iterator[Stack]:
    """A stack on its own data; nothing of it is left afterwards."""
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
