"""One running service for the tests to attack from outside, and a count of what they tried."""

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from api.app import create_app
from core.schema import Model
from core.settings import Settings
from core.store.edits import EditStore
from tests.security.tally import Tally
from tests.support.api_app import (  # noqa: F401 - fixtures, for tests that need no processes
    bare_client,
    finish,
    keys,
    make_key,
    post,
    settings,
)
from tests.support.service import SMALL_WORKER, Service, running_service
from tests.support.session_tables import TALLY


@pytest.fixture(scope="session")
def tally() -> Tally:
    """Return the count of bad inputs; its table is shown at the end of the run."""
    return TALLY


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Run a front end and a housekeeper on loopback, no worker yet (`service.have_workers(1)`)."""
    data = tmp_path_factory.mktemp("service")
    with running_service(data, worker=SMALL_WORKER) as service:
        yield service


@pytest.fixture
def client(
    settings: Settings,  # noqa: F811
    store: EditStore,
    model: Model,
) -> Iterator[TestClient]:
    """Run the application in this process, with a queue that takes everything a test sends."""
    store.announce("worker-1", model)
    with TestClient(create_app(settings.model_copy(update={"queue_limit": 1000}))) as client:
        yield client
