"""The client on the real application in this process; a test plays the worker."""

from collections.abc import Iterator

import pytest
from baret_client import Client

from core.schema import Model
from core.settings import Settings
from core.store.edits import EditStore
from tests.support.api_app import finish, keys, make_key, serving, settings

__all__ = ["finish", "keys", "make_key", "settings"]


@pytest.fixture
def server(settings: Settings, store: EditStore, model: Model) -> Iterator[str]:
    """Yield the address of a service with a live worker of the model `zoo`."""
    store.announce("worker-1", model)
    with serving(settings) as address:
        yield address


@pytest.fixture
def client(server: str) -> Iterator[Client]:
    with Client(server) as client:
        yield client
