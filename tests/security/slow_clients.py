"""A server with short timeouts, for tests of slow clients."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from api.app import create_app
from api.server.limits import BodyTimeouts, ConnectionLimits
from api.server.memory_limiter import MemoryLimiter
from core.schema import Model
from core.settings import Settings
from core.store.edits import EditStore
from tests.support.api_app import serving

HEAD_SECONDS, IDLE_SECONDS, BODY_SECONDS, UNREAD_SECONDS = 1.0, 3.0, 1.0, 1.0
CONNECTIONS = 60
MB = 1024 * 1024
ROOM = MB
PATIENCE = ConnectionLimits(
    head_seconds=HEAD_SECONDS,
    idle_seconds=IDLE_SECONDS,
    unread_seconds=UNREAD_SECONDS,
    unread_bytes=64 * 1024,
    unread_in_all=40 * MB,
    connections=CONNECTIONS,
)
PACE = BodyTimeouts(
    pause_seconds=BODY_SECONDS, grace_seconds=2 * BODY_SECONDS, bytes_a_second=1_000_000
)


@pytest.fixture
def settings(redis_url: str, tmp_path: Path) -> Settings:
    return Settings(
        _env_file=None, REDIS_URL=redis_url, data_dir=tmp_path, allowed_hosts="testserver,x"
    )


@pytest.fixture
def app(settings: Settings, store: EditStore, model: Model) -> FastAPI:
    store.announce("worker-1", model)
    made = create_app(settings)
    made.state.services = replace(
        made.state.services, body_timeouts=PACE, memory_limiter=MemoryLimiter(ROOM)
    )
    return made


@pytest.fixture
def address(settings: Settings, app: FastAPI) -> Iterator[tuple[str, int]]:
    """Run a server with short timeouts."""
    with serving(settings, app=app, connection_limits=PATIENCE) as url:
        parts = httpx.URL(url)
        assert parts.port is not None
        yield parts.host, parts.port
