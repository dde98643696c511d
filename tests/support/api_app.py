"""Fixtures for the application on a real Valkey and a real folder, and a real server to run it."""

import hashlib
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI
from fastapi.testclient import TestClient
from httpx import Response

from api.app import create_app
from api.server.limits import ConnectionLimits
from api.server.protocol import server_config
from core.access.api_keys import ApiKey, Keyring, NewApiKey
from core.images.storage import ImageStorage
from core.schema import EditStatus, EditWarning, Result, StoredImage
from core.settings import Settings
from core.store.claims import Claim
from core.store.connection import connect
from core.store.edits import EditStore
from tests.support.waiting import until

MakeImage = Callable[..., bytes]


@pytest.fixture
def settings(redis_url: str, tmp_path: Path) -> Settings:
    return settings_of(redis_url, tmp_path)


def settings_of(redis_url: str, folder: Path) -> Settings:
    """Return the settings of a service on loopback whose images lie in a folder."""
    return Settings(
        _env_file=None,
        REDIS_URL=redis_url,
        data_dir=folder,
        store_url="",
        model="zoo",
        queue_limit=5,
        allow_networks="127.0.0.0/8",
        log_level="INFO",
        allowed_hosts="testserver,api",
    )


@pytest.fixture
def bare_client(settings: Settings) -> Iterator[TestClient]:
    """Return a client of a service that has no worker yet."""
    with TestClient(create_app(settings)) as client:
        yield client


@pytest.fixture
def post(client: TestClient, make_image: MakeImage) -> Callable[..., Response]:
    """Return a function that posts a small PNG as multipart, with other fields by name."""

    def send(*, headers: dict[str, str] | None = None, **fields: str) -> Response:
        data = {"prompt": "a cat that sits", **fields}
        return client.post("/v1/edits", data=data, files={"image": make_image()}, headers=headers)

    return send


@pytest.fixture
def finish(store: EditStore, settings: Settings, make_image: MakeImage) -> Callable[..., Claim]:
    """Return a function that does a worker's part for the edit whose turn it is."""
    files = ImageStorage(settings.images_url)

    def work(
        status: EditStatus = EditStatus.SUCCEEDED,
        *,
        error: Any = None,
        warnings: Sequence[EditWarning] = (),
    ) -> Claim:
        claim = store.claim("zoo")
        assert claim is not None
        result = None
        if status is EditStatus.SUCCEEDED:
            values = store.get(claim.id).submission.params.strengths
            result = Result(
                outputs=[write(claim, number, eta) for number, eta in enumerate(values)],
                warnings=list(warnings),
            )
        store.finish(claim, status, result=result, error=error)
        return claim

    def write(claim: Claim, number: int, strength: float) -> StoredImage:
        data = make_image(size=(64, 64 + number))
        name = f"output-{number}.png"
        files.put(claim.id, name, data, "image/png")
        return StoredImage(
            name=name,
            strength=strength,
            width=64,
            height=64 + number,
            content_type="image/png",
            sha256=hashlib.sha256(data).hexdigest(),
            bytes=len(data),
        )

    return work


@contextmanager
def working(store: EditStore, finish: Callable[..., Any], *args: Any) -> Iterator[None]:
    """Do a worker's part for one edit beside the block."""

    def work() -> None:
        until(lambda: store.waiting("zoo", longer_than=0, limit=1), "an edit to wait")
        finish(*args)

    thread = threading.Thread(target=work)
    thread.start()
    yield
    thread.join()


@pytest.fixture
def keys(redis_url: str) -> Iterator[Keyring]:
    with connect(redis_url) as client:
        yield Keyring(client)


@pytest.fixture
def make_key(keys: Keyring) -> Callable[..., tuple[dict[str, str], ApiKey]]:
    """Return a function: `headers, key = make_key("ann", requests_per_minute=5)`."""

    def make(name: str = "ann", **limits: Any) -> tuple[dict[str, str], ApiKey]:
        text, key = keys.create(NewApiKey(name, **limits))
        return {"Authorization": f"Bearer {text}"}, key

    return make


@contextmanager
def serving(
    settings: Settings,
    *,
    app: FastAPI | None = None,
    connection_limits: ConnectionLimits | None = None,
) -> Iterator[str]:
    """Run the application in a real server on a free loopback port; yield its address."""
    config = server_config(
        app or create_app(settings),
        host="127.0.0.1",
        port=0,
        connection_limits=connection_limits,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        until(lambda: server.started or not thread.is_alive(), "the server to listen")
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()
