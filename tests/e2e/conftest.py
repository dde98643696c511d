"""One service for all tests from outside; each test says how many workers it needs."""

import json
import signal
from collections.abc import Callable, Generator, Iterator
from typing import Any

import pytest

from tests.support.samples import SAMPLES
from tests.support.service import Process, Service, running_service


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running_service(tmp_path_factory.mktemp("service")) as service:
        yield service


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, Any, Any]:
    """Show the end of every process's log beside a failure."""
    report = yield
    service = getattr(item, "funcargs", {}).get("service")
    if report.failed and isinstance(service, Service):
        for process in service.processes:
            report.sections.append((f"end of {process.name}'s log", process.log[-4000:]))
    return report


@pytest.fixture
def worker(service: Service) -> Process:
    """The only worker."""
    return service.have_workers(1)[0]


@pytest.fixture
def workers(service: Service) -> Iterator[list[Process]]:
    """Two workers."""
    found = service.have_workers(2)
    yield found
    for worker in found:
        if worker.lives:
            worker.send(signal.SIGCONT)  # a test that failed may have left it stopped


@pytest.fixture(scope="session")
def sample() -> dict[str, Any]:
    """The first of the sample pictures, with its prompt."""
    first: dict[str, Any] = json.loads((SAMPLES / "index.json").read_text())[0]
    return first


@pytest.fixture(scope="session")
def photo(sample: dict[str, Any]) -> bytes:
    return (SAMPLES / str(sample["file"])).read_bytes()


@pytest.fixture
def submit(service: Service, sample: dict[str, Any], photo: bytes) -> Iterator[Callable[..., str]]:
    """Submits the sample as a form; names are form fields, parameters among them."""
    submitted: list[str] = []

    def post(**fields: Any) -> str:
        answer = service.http.post(
            "/v1/edits", data={"prompt": sample["prompt"]} | fields, files={"image": photo}
        )
        assert answer.status_code == 202, answer.text
        submitted.append(answer.json()["id"])
        return submitted[-1]

    yield post
    for edit_id in submitted:  # what a test that failed has left running delays no other
        service.cancel(edit_id)
