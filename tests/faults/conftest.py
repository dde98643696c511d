"""A whole service for the tests to break, and the table of what happened to its edits."""

import io
import json
import signal
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.faults.ledger import Ledger
from tests.faults.report import Report
from tests.faults.stack import Stack, running_stack
from tests.support.process_tests import add_logs, give_time
from tests.support.receiver import Receiver
from tests.support.samples import SAMPLES
from tests.support.session_tables import REPORT


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give these tests more time than others: they wait many times."""
    give_time(items, Path(__file__).parent)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, Any, Any]:
    """Show the end of every process's log beside a failure."""
    return add_logs(item, (yield))


@pytest.fixture(scope="session")
def report() -> Report:
    """Collect a row for each fault; the table is shown at the end of the run."""
    return REPORT


@pytest.fixture(scope="session")
def photo() -> bytes:
    first = json.loads((SAMPLES / "index.json").read_text())[0]
    with Image.open(SAMPLES / str(first["file"])) as image:
        file = io.BytesIO()
        image.save(file, "PNG")
    return file.getvalue()


@pytest.fixture(scope="session")
def shared_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    # Without reuse of inversions every edit goes through every stage.
    data = tmp_path_factory.mktemp("faults")
    with running_stack(data, BARET_INVERSION_CACHE_MB="0") as stack:
        yield stack


@pytest.fixture
def stack(shared_stack: Stack) -> Stack:
    """Return the stack, repaired, with two workers that consume."""
    for worker in shared_stack.workers:
        if worker.lives:
            worker.send(signal.SIGCONT)
    if not shared_stack.housekeeper.lives:
        shared_stack.start_housekeeper()
    shared_stack.have_workers(2)
    return shared_stack


@pytest.fixture
def ledger(stack: Stack, photo: bytes, receiver: Receiver) -> Ledger:
    """Make the ledger of this test's edits."""
    return Ledger(stack, photo, receiver)
