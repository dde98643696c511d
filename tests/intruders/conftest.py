"""One running service that the tests attack from outside, and the count of what they tried."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from api.app import create_app
from jobs.schema import Model
from jobs.settings import Settings
from jobs.store import EditStore
from tests.api.conftest import (  # noqa: F401 - fixtures, for tests that need no processes
    bare_client,
    finish,
    keys,
    make_key,
    post,
    settings,
)
from tests.e2e.service import Service, running_service
from tests.intruders.tally import Tally

_TALLY = Tally()

REPORT = "BARET_INTRUDERS_REPORT"  # names a file that the table is written to


@pytest.fixture(scope="session")
def tally() -> Tally:
    """Counts bad inputs; the table is shown at the end of the run."""
    return _TALLY


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Front end, housekeeper and no worker yet (`service.have_workers(1)`), on loopback."""
    with running_service(tmp_path_factory.mktemp("service")) as service:
        yield service


@pytest.fixture
def client(
    settings: Settings,  # noqa: F811
    store: EditStore,
    model: Model,
) -> Iterator[TestClient]:
    """The application in this process; its queue takes all that a test sends."""
    store.announce("worker-1", model)
    with TestClient(create_app(settings.model_copy(update={"queue_limit": 1000}))) as client:
        yield client


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not _TALLY.answers:
        return
    terminalreporter.section("bad inputs")
    terminalreporter.write(_TALLY.table())
    if path := os.environ.get(REPORT):
        Path(path).write_text(_TALLY.table())
