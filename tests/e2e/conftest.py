"""One service for all tests; each test starts the workers it needs."""

import json
import signal
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.process_tests import add_logs, give_time
from tests.support.samples import SAMPLES
from tests.support.service import Process, Service, running_service


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running_service(tmp_path_factory.mktemp("service")) as service:
        yield service


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give these tests more time than others: they wait many times."""
    give_time(items, Path(__file__).parent)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, Any, Any]:
    """Show the end of every process's log beside a failure."""
    return add_logs(item, (yield))


@pytest.fixture
def worker(service: Service) -> Process:
    """Return the only worker."""
    return service.have_workers(1)[0]


@pytest.fixture
def workers(service: Service) -> Iterator[list[Process]]:
    """Yield two workers."""
    running = service.have_workers(2)
    yield running
    for worker in running:
        if worker.lives:
            worker.send(signal.SIGCONT)  # a failed test may have left it stopped


@pytest.fixture(scope="session")
def sample() -> dict[str, Any]:
    """Return the first of the sample photos, with its prompt."""
    first: dict[str, Any] = json.loads((SAMPLES / "index.json").read_text())[0]
    return first


@pytest.fixture(scope="session")
def photo(sample: dict[str, Any]) -> bytes:
    return (SAMPLES / str(sample["file"])).read_bytes()


@pytest.fixture
def submit(service: Service, sample: dict[str, Any], photo: bytes) -> Iterator[Callable[..., str]]:
    """Submit the sample as a form; names are form fields, including parameters."""
    submitted: list[str] = []

    def post(**fields: Any) -> str:
        answer = service.http.post(
            "/v1/edits", data={"prompt": sample["prompt"]} | fields, files={"image": photo}
        )
        assert answer.status_code == 202, answer.text
        submitted.append(answer.json()["id"])
        return submitted[-1]

    yield post
    for edit_id in submitted:  # an edit that a failed test has left must delay no other
        service.cancel(edit_id)
