"""A browser, and one service for all tests of the page, whose edits can be held."""

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.faults.stack import Stack, running_stack
from tests.support.playground import Playground, chromium_or_skip, running_browser
from tests.support.process_tests import add_logs, give_time
from tests.support.samples import SAMPLES

Hold = Callable[[], Any]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give these tests more time than others: they wait many times."""
    give_time(items, Path(__file__).parent)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, Any, Any]:
    """Show the end of every process's log beside a failure."""
    return add_logs(item, (yield))


@pytest.fixture(scope="module")  # while it runs, its event loop keeps others out of the process
def browser() -> Iterator[Browser]:
    with running_browser() as running:
        yield running


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Run the service with the worker of tests.faults; only if there is a browser."""
    chromium_or_skip()
    data = tmp_path_factory.mktemp("web")
    with running_stack(data, workers=1, STUB_HOLD=str(data / "hold")) as running:
        yield running


@pytest.fixture
def holding(stack: Stack) -> Hold:
    """Return a context manager that holds edits at their first preview."""

    @contextmanager
    def hold() -> Iterator[None]:
        file = stack.data / "hold"
        file.touch()
        try:
            yield
        finally:
            file.unlink()

    return hold


@pytest.fixture
def open_tab(browser: Browser) -> Iterator[Callable[..., Playground]]:
    """Return a function: `open_tab(url, **context)`; names are options of a browser context."""
    contexts = []

    def make(url: str, **options: Any) -> Playground:
        contexts.append(browser.new_context(**options))
        return Playground(contexts[-1], url)

    yield make
    for context in contexts:
        context.close()


@pytest.fixture
def playground(stack: Stack, open_tab: Callable[..., Playground]) -> Playground:
    """Return the page of the service in a tab."""
    return open_tab(str(stack.http.base_url).rstrip("/"))


@pytest.fixture(scope="session")
def photo() -> bytes:
    return next(iter(sorted(SAMPLES.glob("0*-posture.png")))).read_bytes()
