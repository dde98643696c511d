"""Attackers and random kills at once: what another caller's edits get all the same."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil
import pytest
from redis.exceptions import RedisError

from core.access.api_keys import Keyring, NewApiKey
from core.images.keys import photo_prefix
from core.store import keys
from tests.faults.ledger import Ledger
from tests.faults.random_kills import kill_at_random
from tests.faults.report import Report
from tests.faults.stack import Stack, running_stack
from tests.security.measure_shares import DEFAULT, MB, Sizes, attacking, make_attacker
from tests.support.receiver import Receiver
from tests.support.redis_contents import contents

ATTACK = Sizes(
    attackers=3,
    edits=50,
    large=(3000, 2000),
    limits=DEFAULT,
    attack={"conversions": 8, "bombs": 4, "lists_a_second": 2, "streams": 45, "waits": 5},
)
EDITS, SECONDS = 30, 60
PARTS = {"api", "housekeeper", "redis", "worker"}
# What a POST may meet while parts are killed: an API or a Redis that is away, and its own
# idempotency key, held by a request that was killed.
ALLOWED = {409, 503, "ConnectError", "ReadError", "RemoteProtocolError", "WriteError"}


@dataclass
class Most:
    """The most that was taken at a time, in bytes."""

    rss: int = 0  # by the API
    disk: int = 0  # by images
    redis: int = 0


@contextmanager
def watching(stack: Stack, most: Most) -> Iterator[None]:
    """Look at memory and disk while inside."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.3):
            with suppress(psutil.Error):
                rss = psutil.Process(stack.api.pid).memory_info().rss
                most.rss = max(most.rss, rss)
            with suppress(RedisError):
                used: Any = stack.redis.info("memory")
                most.redis = max(most.redis, used["used_memory"])
            most.disk = max(most.disk, sum(map(size_of, (stack.data / "pictures").rglob("*"))))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def size_of(path: Path) -> int:
    """Return a file's size; 0 if it has been deleted meanwhile."""
    try:
        return path.stat().st_size if path.is_file() else 0
    except OSError:
        return 0


def submit_for_a_while(ledger: Ledger, word: str) -> None:
    started = time.monotonic()
    for number in range(EDITS):
        ledger.submit(f"a dog that sits {word}", metadata={"word": word})
        time.sleep(max(0.0, started + SECONDS * (number + 1) / EDITS - time.monotonic()))


def check_nothing_is_left(stack: Stack, ledger: Ledger, word: str) -> None:
    """Delete the caller's edits, and read all of Redis and the image storage."""
    folders = []
    for edit_id in ledger.accepted:
        folders += [edit_id, photo_prefix(stack.store.get(edit_id).submission)]
        assert stack.http.delete(f"/v1/edits/{edit_id}").status_code == 204
    for prefix in stack.redis.zrange(keys.DELETIONS, 0, -1):
        stack.redis.zadd(keys.DELETIONS, {prefix: 1})  # as after the time that workers have
    images = stack.data / "pictures"
    for folder in folders:
        stack.until(lambda at=images / folder: not any(map(size_of, at.rglob("*"))), folder)  # type: ignore[misc]
    found = contents(stack.redis)
    assert [key for key, value in found.items() if word in key or word in value] == []


@pytest.mark.slow
def test_edits_end_once_and_go_while_attackers_and_kills_go_on(
    tmp_path: Path, photo: bytes, receiver: Receiver, report: Report
) -> None:
    word, most = uuid4().hex, Most()
    with running_stack(tmp_path / "s", workers=0) as stack:
        attackers = [make_attacker(stack, number, ATTACK) for number in range(ATTACK.attackers)]
        key, _ = Keyring(stack.redis).create(NewApiKey("honest"))
        stack.http.headers["Authorization"] = f"Bearer {key}"
        stack.have_workers(2)
        ledger = Ledger(stack, photo, receiver)
        over, killed = threading.Event(), list[Counter[str]]()
        killer = threading.Thread(
            target=lambda: killed.append(
                kill_at_random(stack, over, lambda: len(ledger.accepted), every=3, seed=3)
            )
        )
        with watching(stack, most), stack.replacing_workers():
            with attacking(tmp_path, attackers) as attack:
                killer.start()
                try:
                    submit_for_a_while(ledger, word)
                finally:
                    over.set()
                    killer.join()
            found = ledger.settle()
            check_nothing_is_left(stack, ledger, word)
    counts = ", ".join(f"{part} {count}" for part, count in sorted(killed[0].items()))
    report.add(
        f"three attackers in every way, and random `kill -9` for {SECONDS} s: {counts}",
        killed[0].total(),
        found,
    )
    answers = attack.answers
    print(f"answers to the attackers: {answers}; POSTs sent again: {dict(ledger.refusals)}; {most}")
    assert killed[0].keys() == PARTS
    assert found.ended.keys() <= {"succeeded", "failed"}  # three workers may be lost by chance
    assert found.ended["succeeded"] >= 0.9 * EDITS
    assert ledger.refusals.keys() <= ALLOWED
    assert all(answers.values())
    assert "500" not in {status for count in answers.values() for status in count}
    assert most.rss < 500 * MB and most.disk < 200 * MB and most.redis < 200 * MB
