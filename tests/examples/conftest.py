"""One service with a worker for all examples, and a folder to run them in."""

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.commands import ROOT
from tests.support.process_tests import add_logs, give_time
from tests.support.service import SMALL_WORKER, Service, running_service
from tests.support.shell import shell_environment


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    data = tmp_path_factory.mktemp("service")
    with running_service(data, worker=SMALL_WORKER) as service:
        service.have_workers(1)
        yield service


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the samples where a checkout has them."""
    folder = tmp_path_factory.mktemp("examples")
    (folder / "zoo").symlink_to(ROOT / "zoo")
    return folder


@pytest.fixture(scope="module")
def environment(service: Service, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the variables of a shell in which `baret` is this checkout's."""
    return shell_environment(tmp_path_factory.mktemp("bin"), str(service.http.base_url))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give these tests more time than others: they make real edits."""
    give_time(items, Path(__file__).parent)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, Any, Any]:
    """Show the end of every process's log beside a failure."""
    return add_logs(item, (yield))
