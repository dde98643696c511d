"""The API killed while clients submit, wait and follow; full disks; a missing folder."""

import json
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from core.images.keys import new_photo_prefix
from core.store import keys
from tests.faults.ledger import Ledger
from tests.faults.report import Report
from tests.faults.stack import Stack, running_stack
from tests.support.receiver import Receiver
from tests.support.waiting import PATIENCE, until


def follow(stack: Stack, edit_id: str, ids: list[str], kinds: list[str]) -> None:
    """Follow an edit to its end as an EventSource does: it reconnects with the last id it saw."""
    while "done" not in kinds:
        headers = {"last-event-id": ids[-1]} if ids else {}
        try:
            with stack.http.stream(
                "GET", f"/v1/edits/{edit_id}/events", headers=headers, timeout=10
            ) as answer:
                for line in answer.iter_lines():
                    if line.startswith("id: "):
                        ids.append(line[4:])
                    elif line.startswith("event: "):
                        kinds.append(line[7:])
        except httpx.TransportError:
            time.sleep(0.1)


def wait_for(stack: Stack, edit_id: str, found: list[str]) -> None:
    """Poll an edit as a client does, which tries again after any error."""
    while not found:
        with suppress(httpx.TransportError):
            edit = stack.http.get(f"/v1/edits/{edit_id}", params={"wait": 30}).json()
            if edit["completed_at"]:
                found.append(edit["status"])
        time.sleep(0.1)


def test_clients_go_on_where_they_were_when_the_api_is_killed(
    stack: Stack, ledger: Ledger, report: Report
) -> None:
    followed = ledger.submit(metadata={"pace": "0.3"})
    ids: list[str] = []
    kinds: list[str] = []
    follower = threading.Thread(target=follow, args=(stack, followed, ids, kinds))
    follower.start()
    waited: list[str] = []
    waiter = threading.Thread(target=wait_for, args=(stack, followed, waited))
    waiter.start()
    submitter = threading.Thread(target=lambda: ledger.submit_many(30, at_once=3))
    submitter.start()
    for _ in range(3):
        time.sleep(0.4)
        stack.kill(stack.api)
        stack.start_api()
    submitter.join()
    found = ledger.settle()
    follower.join(PATIENCE)
    waiter.join(PATIENCE)
    report.add("`kill -9` of the API during uploads, waits and streams", 3, found)
    assert found.ended == {"succeeded": 31}
    assert ids == sorted(set(ids), key=lambda one: tuple(map(int, one.split("-"))))  # none twice
    assert len(ids) == len(stack.redis.xrange(keys.events(followed)))  # none left out
    assert kinds[-1] == "done"
    assert waited == ["succeeded"]


def test_a_picture_without_an_edit_goes_by_itself(stack: Stack, photo: bytes) -> None:
    edit_id = "edit_" + "0" * 32
    prefix = new_photo_prefix(edit_id)
    stack.store.reserve_upload(prefix, caller="local", size=len(photo))
    stack.files.put(prefix, "input", photo)  # and then the process was killed
    stack.redis.zadd(keys.DELETIONS, {prefix: 1})  # an hour later
    until(lambda: stack.files.get(prefix, "input") is None, "the image to be deleted")
    until(lambda: not stack.redis.hexists(keys.PREFIX_BYTES, prefix), "its bytes to be free")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a file system of two megabytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("mounting a small disk needs root")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)  # noqa: S607 - whichever is first


def test_edits_wait_for_a_full_disk_and_nothing_half_written_is_served(
    small_disk: Path, tmp_path: Path, photo: bytes, receiver: Receiver, report: Report
) -> None:
    store = {"BARET_STORE_URL": small_disk.as_uri(), "BARET_INVERSION_CACHE_MB": "0"}
    with running_stack(tmp_path / "s", workers=1, **store) as stack:
        ledger = Ledger(stack, photo, receiver)
        filler = small_disk / "filler"
        with stack.holding_edits() as hold:
            slow = ledger.submit(metadata={"hold": hold})
            stack.wait_until_held([slow], count=1)
            with filler.open("wb", buffering=0) as file, suppress(OSError):
                while True:
                    file.write(b"\0" * 4096)
        answer = stack.http.post("/v1/edits", data={"prompt": "a cat"}, files={"image": photo})
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        missing = stack.http.get("/readyz").json()["errors"]
        assert [one["pointer"] for one in missing] == ["/store"]
        (worker,) = stack.workers
        worker.says("waiting for an unavailable service", edit=slow)
        assert stack.edit(slow)["status"] == "running"
        assert stack.http.get(f"/v1/edits/{slow}/image").status_code == 409
        filler.unlink()
        found = ledger.settle()
        report.add("disk full while an edit runs", 1, found)
        assert found.ended == {"succeeded": 1} and found.attempts == 1
        assert worker.lives
        names = {path.name for path in (small_disk / slow).iterdir()}
        assert names == {"1-output-0.png"}, json.dumps(sorted(names))


def test_edits_wait_for_a_picture_store_that_is_away(
    tmp_path: Path, photo: bytes, receiver: Receiver, report: Report
) -> None:
    with running_stack(tmp_path / "s", workers=1, BARET_INVERSION_CACHE_MB="0") as stack:
        ledger = Ledger(stack, photo, receiver)
        images, away = stack.data / "pictures", stack.data / "away"
        with stack.holding_edits() as hold:
            slow = ledger.submit(metadata={"hold": hold})
            stack.wait_until_held([slow], count=1)
            images.rename(away)
            images.touch()  # a file in place of the folder: nothing can be read or written
        answer = stack.http.post("/v1/edits", data={"prompt": "a cat"}, files={"image": photo})
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        (worker,) = stack.workers
        worker.says("waiting for an unavailable service", edit=slow)
        assert stack.edit(slow)["status"] == "running"
        images.unlink()
        away.rename(images)
        found = ledger.settle()
        report.add("object store away while an edit runs", 1, found)
        assert found.ended == {"succeeded": 1} and found.attempts == 1
