"""The images in S3, with the server killed or hanging while edits run."""

import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from core.images.storage import TIMEOUT_SECONDS
from tests.faults.ledger import Ledger
from tests.faults.report import Report
from tests.faults.stack import Stack, running_stack
from tests.support.s3 import S3, running_s3

MANY = 60  # more than the API has threads


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    with running_s3(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture(scope="module")
def shared_stack(s3: S3, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    data = tmp_path_factory.mktemp("stack")
    with running_stack(data, BARET_INVERSION_CACHE_MB="0", **s3.settings) as stack:
        yield stack


def post(stack: Stack, photo: bytes) -> tuple[int, float]:
    """Return the status of a POST, and the seconds it took."""
    started = time.monotonic()
    answer = stack.http.post("/v1/edits", data={"prompt": "a cat"}, files={"image": photo})
    return answer.status_code, time.monotonic() - started


@pytest.mark.parametrize("fault", ["killed", "hanging"])
def test_edits_wait_for_an_object_store(
    fault: str, s3: S3, stack: Stack, ledger: Ledger, photo: bytes, report: Report
) -> None:
    with stack.holding_edits() as hold:
        ids = ledger.submit_many(2, metadata={"hold": hold})
        stack.wait_until_held(ids, count=2)
        s3.kill() if fault == "killed" else s3.send(signal.SIGSTOP)
    try:
        with ThreadPoolExecutor(MANY + 1) as pool:
            posts = [pool.submit(post, stack, photo) for _ in range(MANY)]
            while not all(one.done() for one in posts):  # requests without images are served
                idle = pool.submit(seconds_of, stack, "/healthz")
                assert seconds_of(stack, "/v1/edits") < idle.result() + TIMEOUT_SECONDS / 2
                time.sleep(0.2)
        assert {one.result()[0] for one in posts} == {503}
        # Most are refused at once. One that reaches a store that hangs takes at least its time-out.
        again = [post(stack, photo) for _ in range(3)]
        assert {status for status, _ in again} == {503}
        assert min(seconds for _, seconds in again) < TIMEOUT_SECONDS
        missing = stack.http.get("/readyz").json()["errors"]
        assert [one["pointer"] for one in missing] == ["/store"]
        for edit_id in ids:
            stack.until(lambda one=edit_id: waits(stack, one), "it to wait for the store")
            assert stack.edit(edit_id)["status"] == "running"
    finally:
        s3.start() if fault == "killed" else s3.send(signal.SIGCONT)
    found = ledger.settle()
    report.add(f"the object store (S3) {fault} while edits run", 1, found)
    assert found.ended == {"succeeded": 2} and found.attempts == 2
    for edit_id in ids:
        names = {path.name for path in (s3.folder / "baret" / edit_id).iterdir()}
        assert names == {"1-output-0.png"}


def seconds_of(stack: Stack, path: str) -> float:
    """Return the seconds that a GET took, which must succeed."""
    started = time.monotonic()
    assert stack.http.get(path).is_success
    return time.monotonic() - started


def waits(stack: Stack, edit_id: str) -> bool:
    """Return whether a worker has logged that this edit waits."""
    return any(
        one.lines("waiting for an unavailable service", edit=edit_id) for one in stack.workers
    )
