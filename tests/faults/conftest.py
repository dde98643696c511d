"""A whole service that the tests break, and the table of what became of its edits."""

import io
import json
import signal
from collections.abc import Iterator

import pytest
from PIL import Image

from tests.faults.ledger import Ledger
from tests.faults.report import Report
from tests.faults.stack import Stack, running_stack
from tests.support.receiver import Receiver
from tests.support.samples import SAMPLES
from tests.support.session_tables import REPORT


@pytest.fixture(scope="session")
def report() -> Report:
    """Takes a row of each fault; the table is shown at the end of the run."""
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
    # No inversion is reused, so that every edit goes through every stage.
    data = tmp_path_factory.mktemp("faults")
    with running_stack(data, BARET_INVERSION_CACHE_MB="0") as stack:
        yield stack


@pytest.fixture
def stack(shared_stack: Stack) -> Stack:
    """Whole again, with two workers that consume."""
    for worker in shared_stack.workers:
        if worker.lives:
            worker.send(signal.SIGCONT)
    if not shared_stack.housekeeper.lives:
        shared_stack.start_housekeeper()
    shared_stack.have_workers(2)
    return shared_stack


@pytest.fixture
def ledger(stack: Stack, photo: bytes, receiver: Receiver) -> Ledger:
    """Of this test's edits."""
    return Ledger(stack, photo, receiver)
