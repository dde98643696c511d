"""One running service that the tests attack from outside, and the count of what they tried."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

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


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not _TALLY.answers:
        return
    terminalreporter.section("bad inputs")
    terminalreporter.write(_TALLY.table())
    if path := os.environ.get(REPORT):
        Path(path).write_text(_TALLY.table())
