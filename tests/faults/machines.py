"""The service as its parts run in a data centre: each on a machine of its own, several of most."""

import copy
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import httpx

from core.access.api_keys import Keyring, NewApiKey
from tests.support.dashboard import scrape_config, write_targets
from tests.support.networks import Network, running_network
from tests.support.prometheus import Prometheus
from tests.support.redis_servers import PASSWORD, RedisServer
from tests.support.s3 import S3
from tests.support.server import Host
from tests.support.service import Process, Service
from tests.support.waiting import PATIENCE, until

PORT, METRICS_PORT = 8000, 9100


class Machines(Service):
    """Redis, an S3 server, two APIs, two housekeepers, Prometheus, and workers as they are added.

    They share nothing but the network. The workers fail on request (`tests.faults.stub`).
    """

    def __init__(self, data: Path, network: Network, *, default_model: str):
        """Take the folder of all machines, their network, and the API's default model."""
        self._network, self.own_address = network, str(network.address)
        host = network.machine()
        self._redis = RedisServer(data / "redis", "save ''", password=PASSWORD, host=host)
        self._s3 = S3(data / "s3", host=network.machine())
        super().__init__(
            data,
            self._redis.url,
            worker="tests.faults.stub",
            BARET_PORT=str(PORT),
            BARET_WORKER_METRICS_PORT=str(METRICS_PORT),
            BARET_ALLOW_NETWORKS=str(network.addresses),
            BARET_INVERSION_CACHE_MB="0",  # every edit goes through every stage
            BARET_MODEL=f"{default_model}=zoo",
            **self._s3.settings,
        )
        self._keyring = Keyring(self.redis)
        self._hosts: dict[str, Host] = {}  # of each process by its name
        self._apis = [network.machine(), network.machine()]
        self._key_file, self._workers_file = data / "metrics_key", data / "workers.json"
        config = data / "prometheus.yml"
        addresses = [f"{host.address}:{PORT}" for host in self._apis]
        config.write_text(scrape_config(self._key_file, addresses, self._workers_file))
        self.prometheus = Prometheus(config, data / "prometheus", host=network.machine())

    def start(self) -> None:
        """Start everything except the workers."""
        self._redis.start()
        self._s3.start()
        key, _ = self._keyring.create(NewApiKey("prometheus", metrics=True))
        self._key_file.write_text(key)
        self.housekeeper = self._start("housekeeper", "housekeeper")
        self._start("housekeeper", "housekeeper")
        for host in self._apis:
            self.http = self._client(host)
            self.api = self._start("api", "api", host=host)
            until(self._answers, "the API to answer", check=self.api.check_alive)
        self._tell_prometheus()
        self.prometheus.start()

    def _start(self, module: str, name: str, *, host: Host | None = None, **own: str) -> Process:
        number = sum(process.name.startswith(name) for process in self.processes) + 1
        name = f"{name}-{number}"
        self._hosts[name] = host = host or self._network.machine()
        (folder := self.data / name).mkdir()
        env = self.env | {"BARET_HOST": host.address, "BARET_DATA_DIR": str(folder)} | own
        log = self.data / f"{name}.log"
        self.processes.append(Process(module, log, env, within=host.within))
        return self.processes[-1]

    def add_worker(self, model: str) -> Process:
        """Start a worker of a model on a machine of its own, and wait until it consumes."""
        worker = self._start(self._worker, "worker", BARET_MODEL=f"{model}=zoo")
        self.workers.append(worker)
        worker.says("consuming")
        self._tell_prometheus()
        return worker

    def kill_worker(self, worker: Process) -> None:
        """End a worker in the midst of its edit."""
        worker.send(signal.SIGKILL)
        worker.ends()
        self._forget(worker)

    def drain_worker(self, worker: Process) -> None:
        """End a worker as a rolling deploy does: it hands its edit back."""
        worker.send(signal.SIGTERM)
        assert worker.ends() == 0
        self._forget(worker)

    @contextmanager
    def cut_off(self, worker: Process) -> Iterator[None]:
        """Cut a worker's machine off from the network inside the block."""
        with self._network.unplugged(self._hosts[worker.name]):
            yield

    def _forget(self, worker: Process) -> None:
        self.workers.remove(worker)
        self._tell_prometheus()

    def _tell_prometheus(self) -> None:
        addresses = [self._hosts[worker.name].address for worker in self.workers]
        write_targets(self._workers_file, [f"{one}:{METRICS_PORT}" for one in addresses])

    def seen_by(self, caller: str, *, api: int) -> Self:
        """Return the service as a new caller sees it, who uses one of the APIs."""
        key, _ = self._keyring.create(NewApiKey(caller))
        seen = copy.copy(self)
        seen.http = self._client(self._apis[api])
        seen.http.headers["Authorization"] = f"Bearer {key}"
        return seen

    def _client(self, host: Host) -> httpx.Client:
        return httpx.Client(
            base_url=f"http://{host.address}:{PORT}", timeout=PATIENCE, trust_env=False
        )

    def stop(self) -> None:
        """End everything."""
        super().stop()
        for server in (self.prometheus, self._s3, self._redis):
            server.stop()


@contextmanager
def running_machines(data: Path, *, default_model: str) -> Iterator[Machines]:
    """Run the machines without workers; nothing of them is left afterwards."""
    with running_network() as network:
        machines = Machines(data, network, default_model=default_model)
        try:
            machines.start()
            yield machines
        finally:
            machines.stop()
