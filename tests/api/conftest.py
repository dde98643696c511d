"""A client of the application, with and without a worker."""

from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from core.schema import Model
from core.settings import Settings
from core.store.edits import EditStore
from tests.support.api_app import bare_client, finish, keys, make_key, post, settings

__all__ = ["bare_client", "finish", "keys", "make_key", "post", "settings"]


@pytest.fixture
def settings_without_redis(tmp_path: Path) -> Settings:
    """Return settings with a Redis address where nothing listens."""
    return Settings(
        _env_file=None,
        REDIS_URL="redis://127.0.0.1:1/0",
        data_dir=tmp_path,
        allowed_hosts="testserver",
    )


@pytest.fixture
def client(bare_client: TestClient, store: EditStore, model: Model) -> TestClient:
    """Return a client of a service with a live worker of the model `zoo`."""
    store.announce("worker-1", model)
    return bare_client
